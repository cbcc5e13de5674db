#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::glyphs::find;
use super::lines::layouts;
use super::*;

/// How bright it is around a plate.
const AROUND: u8 = 90;

/// A plate of blocks in place of letters: where they stand is what matters here.
fn plate(lines: &[usize], slope: f32, ink: u8, ground: u8) -> Grey {
    let mut grey = Grey {
        width: 640,
        height: 480,
        shades: vec![AROUND; 640 * 480],
    };
    let mut fill = |x: usize, y: usize, width: usize, height: usize, shade: u8| {
        for column in x..x + width {
            let down = (slope * (column as f32 - 100.0)).round() as isize;
            for row in y..y + height {
                let at = row.checked_add_signed(down).unwrap() * 640 + column;
                grey.shades[at] = shade;
            }
        }
    };
    let widest = lines.iter().max().unwrap() * 36 + 20;
    fill(100, 150, widest, lines.len() * 64 + 12, ground);
    for (line, count) in lines.iter().enumerate() {
        let left = 100 + (widest - count * 36 + 12) / 2;
        for letter in 0..*count {
            fill(left + letter * 36, 160 + line * 64, 22, 44, ink);
            // No letter is a bar altogether.
            fill(left + letter * 36 + 8, 176 + line * 64, 6, 12, ground);
        }
    }
    grey
}

fn counts(grey: &Grey, ink: Ink) -> Vec<Vec<usize>> {
    let blobs = find(grey, ink);
    layouts(&blobs.glyphs)
        .iter()
        .map(|layout| layout.lines.iter().map(|line| line.glyphs.len()).collect())
        .collect()
}

#[test]
fn letters_in_one_line_or_two_are_a_plate() {
    for slope in [0.0, 0.1, -0.12] {
        for lines in [&[8][..], &[7], &[9], &[3, 5], &[4, 4], &[4, 5]] {
            let grey = plate(lines, slope, 20, 230);
            assert_eq!(counts(&grey, Ink::Dark)[0], lines, "{slope}");
        }
    }
    // Bright letters on a blue plate of the vehicle's own brightness.
    let bright = plate(&[8], 0.05, 200, AROUND);
    assert_eq!(counts(&bright, Ink::Bright)[0], [8]);
    // Six letters beside each other are a sign.
    assert_eq!(
        counts(&plate(&[6], 0.0, 20, 230), Ink::Dark),
        [] as [Vec<usize>; 0]
    );
}

#[test]
fn letters_are_written_anew_without_what_is_around_them() {
    let grey = plate(&[8], 0.1, 20, 230);
    let blobs = find(&grey, Ink::Dark);
    let layout = &layouts(&blobs.glyphs)[0];
    let letters = typeset::letters(&grey, &blobs, layout);
    assert_eq!(letters.len(), 8);
    let line = typeset::line(letters.iter());
    // Eight separate blocks on white, whatever the plate's colour and slope were.
    let is_inked = |column: usize| {
        let shades = line.shades.iter().skip(column).step_by(line.width);
        shades.into_iter().any(|shade| *shade < 100)
    };
    let begins = (1..line.width).filter(|column| is_inked(*column) && !is_inked(column - 1));
    assert_eq!(begins.count(), 8);
    assert!(
        line.shades[..line.width * 10]
            .iter()
            .all(|shade| *shade == u8::MAX)
    );
}

#[test]
fn a_picture_is_known_by_its_first_bytes() {
    assert!(picture::kind(b"\xFF\xD8\xFF\xE1").is_some());
    assert!(picture::kind(b"RIFF\0\0\0\0WEBPVP8 ").is_some());
    for other in [
        &b""[..],
        b"\xFF\xD8",
        b"GIF89a",
        b"<svg",
        b"RIFF\0\0\0\0WAVE",
    ] {
        assert!(picture::kind(other).is_none());
    }
    assert!(picture::decode(b"\xFF\xD8\xFF\xE1 no picture after all").is_none());
}

/// A program that says `words` of whatever it is given.
fn saying(script: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reader");
    let mut file = std::fs::File::create(&path).unwrap();
    write!(file, "#!/bin/sh\n{script}\n").unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    (folder, path)
}

#[tokio::test]
async fn the_program_sees_nothing_of_ours_and_is_believed_within_limits() {
    let line = plate(&[8], 0.0, 20, 230);
    let read = async |script: &str| {
        let (_folder, path) = saying(script);
        program::read(&path, &line, ALL).await
    };
    let said = read("cat > /dev/null; echo '30A-123.45'").await;
    assert_eq!(said.as_deref(), Some("30A12345"));
    // Of this process's environment, which has cargo's variables in a test, it gets its PATH alone.
    let known = read("cat > /dev/null; env | cut -d= -f1 | sort")
        .await
        .unwrap();
    assert!(
        known.contains("PATH") && !known.contains("CARGO"),
        "{known}"
    );
    assert_eq!(read("exit 1").await, None);
    assert_eq!(read("cat > /dev/null; yes").await, None, "it says no end");
    let (_folder, path) = saying("exit 1");
    assert!(PlateReader::start(path).await.is_err());
    assert!(PlateReader::start("/no/such/program".into()).await.is_err());
}
