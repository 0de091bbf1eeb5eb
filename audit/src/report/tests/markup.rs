//! The page as a strict reader sees it: every element closed, nothing that runs or is fetched, and its figures by line.

/// Elements without an end.
const VOID: &[&str] = &["!DOCTYPE", "meta", "br", "rect", "line"];
/// What a page may have.
const ALLOWED: &[&str] = &[
    "html",
    "head",
    "title",
    "style",
    "body",
    "article",
    "p",
    "a",
    "nav",
    "h1",
    "h2",
    "strong",
    "dl",
    "div",
    "dt",
    "dd",
    "figure",
    "figcaption",
    "svg",
    "text",
    "span",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "bdi",
    "data",
];

/// Every element known and closed in order, no attribute that runs, nothing from outside, both languages.
pub(super) fn must_be_sound(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags(page) {
        let name = tag
            .split([' ', '\n', '/'])
            .find(|part| !part.is_empty())
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !VOID.contains(&name) {
            assert!(ALLOWED.contains(&name), "<{tag}>");
            open.push(name);
        }
        for attribute in attributes(tag) {
            let (attribute, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            assert!(
                !attribute.starts_with("on") && attribute != "src",
                "<{tag}>"
            );
            assert!(attribute != "href" || value.starts_with("\"#"), "<{tag}>");
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    let own = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http:", "https:", "url(", "@import"] {
        assert!(!own.contains(outside), "{outside}");
    }
    let hidden = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{0}');
    assert!(!page.contains(hidden));
    assert!(page.contains("lang=\"ar\" dir=\"rtl\"") && page.contains("lang=\"en\" dir=\"ltr\""));
    let ids: Vec<&str> = values(page, " id=\"").collect();
    let links: Vec<&str> = values(page, "href=\"#").collect();
    assert!(
        links.iter().all(|link| ids.contains(link)),
        "{links:?} {ids:?}"
    );
    let mut named = values(page, "aria-labelledby=\"");
    assert!(named.all(|id| ids.contains(&id)));
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id twice");
}

/// What stands between `<` and `>`; inside an attribute neither does, unescaped.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).map(|part| {
        let (tag, _) = part.split_once('>').expect("a tag that does not end");
        tag
    })
}

fn attributes(tag: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = tag.split(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_whitespace()
    });
    parts.skip(1).collect()
}

fn values<'a>(page: &'a str, begins: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(begins)
        .skip(1)
        .map(|part| part.split('"').next().unwrap())
}

/// Both halves, by language.
pub(super) fn articles(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("<article id=\"").skip(1);
    parts.map(|part| part.split_once('"').unwrap()).collect()
}

/// Every number under the heading `anchor`, up to the next one.
pub(super) fn numbers_of(article: &str, anchor: &str) -> Vec<u64> {
    numbers(part_of(article, anchor))
}

/// The numbers of each row of the table under the heading `anchor`.
pub(super) fn lines_of(article: &str, anchor: &str) -> Vec<Vec<u64>> {
    let rows = part_of(article, anchor).split("<tr><th scope=\"row\">");
    rows.skip(1)
        .map(|row| numbers(row.split("</tr>").next().unwrap()))
        .collect()
}

fn part_of<'a>(article: &'a str, anchor: &str) -> &'a str {
    let (_, after) = article
        .split_once(&format!("<h2 id=\"{anchor}\">"))
        .unwrap();
    after.split("<h2 ").next().unwrap()
}

fn numbers(markup: &str) -> Vec<u64> {
    values(markup, "<data value=\"")
        .map(|value| value.parse().unwrap())
        .collect()
}
