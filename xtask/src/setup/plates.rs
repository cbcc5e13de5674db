//! tesseract, which reads plates off pictures for staff. Without it plates are typed.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::debs::{Suite, Wanted, fetch, libraries, multiarch, without_c_library};
use crate::workspace::Workspace;

/// Where Debian's package has what tesseract has learnt.
const LEARNT: &str = "usr/share/tesseract-ocr/5/tessdata";

/// tesseract from the PATH, else from Debian's packages; nothing where it is in neither.
pub fn tesseract(workspace: &Workspace) -> Option<PathBuf> {
    if let Some(program) = super::on_path("tesseract") {
        return Some(program);
    }
    let wanted = Wanted {
        name: "tesseract",
        suite: Suite::Host,
        packages: &["tesseract-ocr", "tesseract-ocr-eng"],
        libraries: true,
    };
    let saying = "plates: fetching tesseract from Debian";
    let root = fetch(&workspace.state, &wanted, saying, |part, root| {
        without_c_library(part);
        // It must find its libraries and what it has learnt where they are unpacked.
        let start = part.join("tesseract");
        std::fs::write(
            &start,
            format!(
                "#!/bin/sh\nexport LD_LIBRARY_PATH='{}:{}' TESSDATA_PREFIX='{}'\nexec '{}' \"$@\"\n",
                libraries(root).display(),
                root.join("lib").join(multiarch()).display(),
                root.join(LEARNT).display(),
                root.join("usr/bin/tesseract").display(),
            ),
        )?;
        std::fs::set_permissions(&start, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    });
    match root {
        Ok(root) => Some(root.join("tesseract")),
        Err(error) => {
            println!("plates: tesseract could not be fetched, plates are typed: {error:#}");
            None
        }
    }
}
