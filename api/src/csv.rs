//! Lines of tables for spreadsheets, as RFC 4180 has them: <https://www.rfc-editor.org/rfc/rfc4180>.

/// A line of a table; fields with a comma, a quote or a line break are quoted.
pub fn line<'a>(out: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        // What begins like a formula, and is no number, is not run by a spreadsheet that opens it.
        let is_formula =
            field.starts_with(['=', '@', '+', '-', '\t']) && field.parse::<f64>().is_err();
        if field.contains([',', '"', '\n', '\r']) || is_formula {
            out.push('"');
            if is_formula {
                out.push('\'');
            }
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(field);
        }
    }
    out.push_str("\r\n");
}
