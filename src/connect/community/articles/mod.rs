//! Articles: read by everybody (110, 111), written by admins (136 to 139).

mod admin;
mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use consilium_storage::connect::community::articles;

use self::wire::{ArticleCard, ArticlePath, ArticleView, ArticlesQuery};
use super::TAG;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::{Input, PathOnly, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

/// No such article.
const NOT_FOUND: Error = Error::NotFound("Article");

/// The routes 110, 111 and 136 to 139.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/community/articles",
            get_with(list, |op| op.id("C110").tag(TAG).summary("Articles, without their texts")),
        )
        .api_route(
            "/api/v2/community/articles/{article_id}",
            get_with(show, |op| op.id("C111").tag(TAG).summary("One article with its text")),
        )
        .merge(admin::router())
}

/// 110.
async fn list(
    State(app): State<App>,
    Input { query, .. }: QueryOnly<ArticlesQuery>,
) -> Result<Answer<Page<ArticleCard>>> {
    let (found, total) = articles::list(&mut *app.conn().await?, query.wanted()).await?;
    Ok(Answer(Page::new(found.into_iter().map(ArticleCard::from).collect(), total, query.limit, query.offset)))
}

/// 111.
async fn show(State(app): State<App>, Input { path, .. }: PathOnly<ArticlePath>) -> Result<Answer<ArticleView>> {
    let article = articles::find(&mut *app.conn().await?, path.article_id).await?.ok_or(NOT_FOUND)?;
    Ok(Answer(article.into()))
}
