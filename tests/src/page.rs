//! What stands on a page that came as text.

/// The value of a field of a page's form.
pub fn field(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// What stands in a page's elements with that mark, an attribute without a value.
///
/// # Panics
/// Where such an element does not end.
pub fn marked(page: &str, mark: &str) -> Vec<String> {
    let mark = format!(" {mark}");
    page.split(&mark)
        .skip(1)
        .map(|part| {
            let inside = part.split_once('>').unwrap().1;
            inside.split_once('<').unwrap().0.to_owned()
        })
        .collect()
}
