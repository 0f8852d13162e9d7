//! The pages `/docs` and `/redoc` load nothing from the internet.

use crate::support::app::TestApp;

#[tokio::test]
async fn the_pages_carry_all_they_need_and_may_load_nothing_else() {
    let app = TestApp::start().await;
    for path in ["/docs", "/redoc"] {
        let page = app.nobody().get(path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
        assert!(!policy.contains("http"), "{policy}");
        let markup = without_code(&page.text);
        assert!(!markup.contains("http://") && !markup.contains("https://"), "{path}: {markup}");
        assert!(!markup.contains(" src=") && !markup.contains("<link") && !markup.contains("@import"), "{path}");
        assert!(page.text.contains("/openapi.json"), "{path} does not name the document");
    }
}

/// The page without the texts of its scripts and styles: libraries name many addresses, which the policy forbids.
fn without_code(html: &str) -> String {
    let mut markup = String::new();
    let mut rest = html;
    while let Some((before, tag, after)) =
        ["script", "style"].into_iter().filter_map(|tag| split_at_element(rest, tag)).min_by_key(|(at, ..)| at.len())
    {
        markup.push_str(before);
        markup.push_str(tag);
        rest = after;
    }
    markup.push_str(rest);
    markup
}

/// What stands before the next element of this name, its opening tag, and what follows its end.
fn split_at_element<'a>(html: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let start = html.find(&format!("<{name}"))?;
    let open_end = start + html[start..].find('>')? + 1;
    let close = format!("</{name}>");
    let end = open_end + html[open_end..].find(&close)? + close.len();
    Some((&html[..start], &html[start..open_end], &html[end..]))
}
