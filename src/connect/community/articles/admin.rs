//! Articles as admins write, see, change and delete them (136 to 139).

use aide::axum::ApiRouter;
use aide::axum::routing::{patch_with, post_with};
use axum::extract::State;
use consilium_storage::connect::community::articles;

use super::NOT_FOUND;
use super::wire::{AdminArticleView, ArticlePath, CreateArticle, UpdateArticle};
use crate::accounts::caller::{Admin, Caller};
use crate::app::App;
use crate::connect::admin::TAG;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly, QueryOnly};
use crate::http::paging::{Page, Paging};
use crate::http::reply::{Answer, Created, NoContent};

/// The routes 136 to 139.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/admin/articles",
            post_with(create, |op| op.id("C136").tag(TAG).summary("Publish an article and tell all patients"))
                .get_with(list, |op| op.id("C137").tag(TAG).summary("All articles, the newest first")),
        )
        .api_route(
            "/api/v2/admin/articles/{article_id}",
            patch_with(update, |op| op.id("C138").tag(TAG).summary("Change an article; nobody is told"))
                .delete_with(remove, |op| op.id("C139").tag(TAG).summary("Delete an article")),
        )
}

/// 136: published at once; the outbox tells every patient's devices, a page of them at a time.
async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { body, .. }: BodyOnly<CreateArticle>,
) -> Result<Created<AdminArticleView>> {
    let mut tx = app.begin().await?;
    let article = body.article(tx.now());
    articles::insert(tx.conn(), &article).await?;
    tx.push_to_all_patients("community.article", &[("article_id", article.id.0)]);
    caller.note_act(&mut tx, "admin.article.create").await?;
    app.commit(tx).await?;
    Ok(Created(article.into()))
}

/// 137.
async fn list(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Input { query: Paging { limit, offset }, .. }: QueryOnly<Paging>,
) -> Result<Answer<Page<AdminArticleView>>> {
    let (found, total) = articles::list_whole(&mut *app.conn().await?, limit, offset).await?;
    Ok(Answer(Page::new(found.into_iter().map(AdminArticleView::from).collect(), total, limit, offset)))
}

/// 138.
async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<ArticlePath, UpdateArticle>,
) -> Result<Answer<AdminArticleView>> {
    let mut tx = app.begin().await?;
    let article = articles::find_for_update(tx.conn(), path.article_id).await?.ok_or(NOT_FOUND)?;
    let article = body.apply(article, tx.now());
    articles::update(tx.conn(), &article).await?;
    caller.note_act(&mut tx, "admin.article.update").await?;
    app.commit(tx).await?;
    Ok(Answer(article.into()))
}

/// 139: a repeat is 404.
async fn remove(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, .. }: PathOnly<ArticlePath>,
) -> Result<NoContent> {
    let mut tx = app.begin().await?;
    if !articles::delete(tx.conn(), path.article_id).await? {
        return Err(NOT_FOUND);
    }
    caller.note_act(&mut tx, "admin.article.delete").await?;
    app.commit(tx).await?;
    Ok(NoContent)
}
