//! Just enough XML to write an invoice: elements, one attribute, text. No reader.

/// A document being written. Elements have no whitespace between them: a signature covers every
/// byte, and the tax authority asks for none (Decision 1271/QĐ-CT, part IV).
#[derive(Debug)]
pub(super) struct Xml {
    out: String,
}

impl Xml {
    /// An empty document in UTF-8.
    pub(super) fn new() -> Self {
        Self {
            out: r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned(),
        }
    }

    /// An element whose content `inside` writes.
    pub(super) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.open(name, None);
        inside(self);
        self.close(name);
    }

    /// The same with the attribute `Id`, to which a signature refers.
    pub(super) fn element_with_id(&mut self, name: &str, id: &str, inside: impl FnOnce(&mut Self)) {
        self.open(name, Some(id));
        inside(self);
        self.close(name);
    }

    /// An element that holds only text.
    pub(super) fn text(&mut self, name: &str, text: impl std::fmt::Display) {
        self.open(name, None);
        self.escape(&text.to_string());
        self.close(name);
    }

    /// The same, left out where there is nothing to say.
    pub(super) fn text_if(&mut self, name: &str, text: Option<impl std::fmt::Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn open(&mut self, name: &str, id: Option<&str>) {
        self.out.push('<');
        self.out.push_str(name);
        if let Some(id) = id {
            self.out.push_str(" Id=\"");
            self.escape(id);
            self.out.push('"');
        }
        self.out.push('>');
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&apos;"),
                // A reader would make line feeds of carriage returns, and the signature would break.
                '\t' | '\n' | '\r' => self.out.push(' '),
                // XML 1.0 has no way to write the other control characters and these two.
                c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
                c => self.out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn escapes_and_drops_what_xml_cannot_hold() {
        let mut xml = Xml::new();
        xml.element_with_id("a", "x\"y", |xml| {
            xml.text(
                "b",
                "Bãi \u{0}đỗ <\"A & B's\">\u{7}\u{85}\r\nhết ]]> \u{FFFF}🚗",
            );
            xml.text_if("c", None::<&str>);
        });
        assert_eq!(
            xml.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a Id=\"x&quot;y\"><b>Bãi đỗ \
             &lt;&quot;A &amp; B&apos;s&quot;&gt;  hết ]]&gt; 🚗</b></a>"
        );
    }
}
