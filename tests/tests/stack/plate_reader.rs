//! A plate by the camera: what is read off pictures, and what becomes of it.
//!
//! The pictures are drawn by the browser: a vehicle's rear with lamps, a bumper and a sticker, and a plate,
//! turned, seen from the side, blurred, in the dark. `CLEARBAY_TEST_PLATES` says how many.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use tests::phone::{Phone, View};
use tests::serving::Serving;

/// Letters of series.
const LETTERS: &[u8] = b"ABCDEFGHKLMNPSTUVXYZ";
const PROVINCES: [&str; 8] = ["29", "30", "51", "43", "15", "80", "99", "65"];
const GROUNDS: [&str; 7] = [
    "linear-gradient(#334,#889 40%,#223)",
    "linear-gradient(90deg,#a11,#611)",
    "linear-gradient(#ddd,#fff 45%,#bbb)",
    "linear-gradient(#111,#333 60%,#000)",
    "repeating-linear-gradient(0deg,#222 0 14px,#555 14px 20px)",
    "linear-gradient(#7a8,#243)",
    "linear-gradient(#cbb,#765 50%,#433)",
];

/// The program that reads print, if this machine has it.
fn program() -> Option<String> {
    if let Ok(program) = std::env::var("CLEARBAY_TEST_PLATE_READER") {
        return Some(program);
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("tesseract"));
    let found = found.into_iter().find(|program| program.is_file());
    if found.is_none() {
        println!("skipped: tesseract is not on this machine");
    }
    found.map(|program| program.display().to_string())
}

/// A vehicle's rear as a page, and what its plate says.
fn scene(index: usize) -> (String, String) {
    let mut random = StdRng::seed_from_u64(index as u64);
    let digits = |random: &mut StdRng, count: usize| -> String {
        (0..count).map(|_| random.random_range('0'..='9')).collect()
    };
    let province = *PROVINCES.choose(&mut random).unwrap();
    let letter = char::from(*LETTERS.choose(&mut random).unwrap());
    let (mut ink, mut ground) = ("#111", "#f4f4f0");
    // One line or two, five digits or four.
    let (upper, number, two) = match index % 7 {
        0 | 1 => (format!("{province}{letter}"), digits(&mut random, 5), false),
        2 => (format!("{province}{letter}"), digits(&mut random, 4), false),
        3 => {
            let series = random.random_range('1'..='9');
            (
                format!("{province}-{letter}{series}"),
                digits(&mut random, 5),
                true,
            )
        }
        4 => (format!("{province}{letter}"), digits(&mut random, 5), true),
        5 => {
            (ink, ground) = ("#f8f8f8", "#1b4fb0");
            (format!("80{letter}"), digits(&mut random, 5), false)
        }
        _ => {
            ground = "#f2c230";
            (format!("{province}{letter}"), digits(&mut random, 5), false)
        }
    };
    let plain = format!("{}{number}", upper.replace('-', ""));
    let number = match number.len() {
        5 => format!("{}.{}", &number[..3], &number[3..]),
        _ => number,
    };
    let width = random.random_range(300..620) as f32 * if two { 0.62 } else { 1.0 };
    let height = width * if two { 0.74 } else { 0.235 };
    let turned = random.random_range(-7.0..7.0_f32);
    let aside = [0, 0, 12, -15, 22, -25].choose(&mut random).unwrap();
    let blur = [0.0, 0.0, 0.6, 1.2, 2.0].choose(&mut random).unwrap();
    let bright = [1.0, 1.0, 0.75, 0.5, 0.35].choose(&mut random).unwrap();
    let (left, top) = (random.random_range(120..600), random.random_range(160..560));
    let rear = GROUNDS[index % GROUNDS.len()];
    let size = height * if two { 0.40 } else { 0.66 } / 0.72;
    let line = |text: &str, at: f32, share: f32| {
        format!(
            "<text x='{}' y='{}' text-anchor='middle' textLength='{}' lengthAdjust='spacingAndGlyphs' \
             font-family='sans-serif' font-weight='bold' font-size='{size}' fill='{ink}'>{text}</text>",
            width / 2.0,
            height * at,
            width * share,
        )
    };
    let text = if two {
        line(&upper, 0.46, if upper.len() > 3 { 0.84 } else { 0.66 }) + &line(&number, 0.93, 0.88)
    } else {
        line(&format!("{upper}-{number}"), 0.80, 0.90)
    };
    let page = format!(
        "<!doctype html><meta charset='utf-8'><body style='margin:0;overflow:hidden;background:#000'>\
         <div style='width:1280px;height:900px;position:relative;overflow:hidden;filter:blur({blur}px) brightness({bright});background:linear-gradient(#9ab,#cde 30%,#666 62%,#444)'>\
         <div style='position:absolute;left:60px;top:90px;width:1150px;height:720px;border-radius:90px 90px 40px 40px;background:{rear}'></div>\
         <div style='position:absolute;left:150px;top:200px;width:170px;height:80px;border-radius:40px;background:#fffbe0'></div>\
         <div style='position:absolute;left:960px;top:200px;width:170px;height:80px;border-radius:40px;background:#fffbe0'></div>\
         <div style='position:absolute;left:90px;top:700px;width:1090px;height:50px;background:#1a1a1a'></div>\
         <div style='position:absolute;left:1080px;top:420px;width:90px;height:60px;background:#fff;color:#c00;font:bold 14px sans-serif;text-align:center'>KIỂM ĐỊNH<br>12/27</div>\
         <div style='position:absolute;left:{left}px;top:{top}px;width:{width}px;height:{height}px;background:{ground};border-radius:6px;outline:3px solid {ground};\
         transform:perspective(900px) rotateY({aside}deg) rotate({turned}deg)'>\
         <div style='position:absolute;inset:0;border:4px solid {ink};border-radius:6px'></div>\
         <svg width='{width}' height='{height}' style='position:absolute;left:0;top:0'>{text}</svg></div></div>"
    );
    (page, plain)
}

async fn photograph(camera: &Phone, page: &str) -> Vec<u8> {
    let page = BASE64_STANDARD.encode(page);
    camera.goto(&format!("data:text/html;base64,{page}")).await;
    camera.page.screenshot().await.unwrap()
}

/// What the form sends with a picture.
fn multipart(picture: &[u8]) -> (String, Vec<u8>) {
    let boundary = "----a-boundary-of-tests";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a.png\"\r\n\
         Content-Type: image/png\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(picture);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

async fn send(city: &Serving, who: &str, picture: &[u8]) -> (StatusCode, String) {
    let (kind, body) = multipart(picture);
    let request = city
        .client
        .post(format!("{}/staff/plates/picture", city.url));
    let request = request.header(COOKIE, who).header(CONTENT_TYPE, kind);
    let reply = request.body(body).send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

/// What stands in the form, if something was read.
fn suggested(page: &str) -> Option<String> {
    page.contains("data-read=\"plate\"").then_some(())?;
    let after = page.split_once("name=\"read\" value=\"")?.1;
    Some(after.split_once('"')?.0.to_owned())
}

#[tokio::test]
async fn most_plates_are_read_and_the_guard_has_the_last_word() {
    let Some(program) = program() else { return };
    let settings = [("CLEARBAY_PLATE_READER", program.as_str())];
    let city = Serving::with_settings(80, &settings).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let camera = Phone::with(View {
        width: 1280,
        height: 1040,
        dark: false,
    })
    .await;
    let count = std::env::var("CLEARBAY_TEST_PLATES").ok();
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(14);
    let (mut right, mut nothing) = (0, 0);
    for index in 0..count {
        let (page, plate) = scene(index);
        let picture = photograph(&camera, &page).await;
        let (status, page) = send(&city, &guard, &picture).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let read = suggested(&page);
        if read.as_ref() == Some(&plate) {
            right += 1;
        } else {
            println!("{index}: {plate} was read as {read:?}");
        }
        nothing += usize::from(read.is_none());
    }
    println!("{right} of {count} plates were read rightly, in {nothing} nothing was read");
    assert!(right * 4 >= count * 3, "{right} of {count}");

    // By the page itself, in a browser: taken, made smaller, read, and in the form.
    let (page, plate) = scene(0);
    let file = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
    std::fs::write(file.path(), photograph(&camera, &page).await).unwrap();
    camera.sign_in(&city.url, "guard", "a password").await;
    camera.goto(&format!("{}/staff/plates", city.url)).await;
    let path = file.path().display().to_string();
    camera.fill("input[data-plate-picture]", &path).await;
    camera.find("[data-read=plate]").await;
    let field = camera.find("main input[name=plate]").await;
    assert_eq!(field.prop("value").await.unwrap(), Some(plate.clone()));
    camera.click(".plate-search button").await;
    camera.find("[data-plate]").await;
    camera.close().await;

    // Typed, or read and put right: the record tells which, and holds no whole plate.
    for form in [
        &[("plate", "29A-123.45")][..],
        &[("plate", "29A-123.45"), ("read", "29A12346")],
    ] {
        let request = city.client.post(format!("{}/staff/plates", city.url));
        let reply = request.header(COOKIE, &guard).form(form).send().await;
        assert_eq!(reply.unwrap().status(), StatusCode::OK);
    }
    let begun: Vec<String> = sqlx::query_scalar(
        "SELECT detail ->> 'begun' FROM audit WHERE action = 'plate.look_up' ORDER BY audit_id",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(begun, ["camera", "typed", "camera_corrected"]);
    let whole =
        format!("audit WHERE detail::text LIKE '%{plate}%' OR detail::text LIKE '%29A1234%'");
    assert_eq!(city.database.count(&whole).await, 0);
}

#[tokio::test]
async fn what_is_no_picture_of_a_plate_is_told_and_typing_goes_on() {
    let Some(program) = program() else { return };
    let settings = [("CLEARBAY_PLATE_READER", program.as_str())];
    let city = Serving::with_settings(80, &settings).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let png = |width: u32, height: u32| {
        // A picture's head that promises more than there is, or may be.
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(width.to_be_bytes());
        png.extend(height.to_be_bytes());
        png.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        png
    };
    for picture in [
        &b""[..],
        b"GIF89a and so on",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xFF\xD8\xFF\xE0 no picture after all",
        &png(100, 100),
        &png(60_000, 60_000),
    ] {
        let (status, page) = send(&city, &guard, picture).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(page.contains("data-read=\"nothing\""), "{page}");
        assert!(page.contains("name=\"plate\""), "typing goes on");
    }
    let (status, _) = send(&city, "", b"\xFF\xD8\xFF").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "to the form to sign in");
    let large = vec![0xFF; 7 * 1024 * 1024];
    let (kind, body) = multipart(&large);
    let request = city
        .client
        .post(format!("{}/staff/plates/picture", city.url));
    let request = request.header(COOKIE, &guard).header(CONTENT_TYPE, kind);
    // Refused before it is whole; who goes on sending may see the connection end.
    if let Ok(reply) = request.body(body).send().await {
        assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn without_a_reader_there_is_no_camera() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let page = city.get("/staff/plates").header(COOKIE, &guard);
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("name=\"plate\"") && !page.contains("capture="));
    let (status, _) = send(&city, &guard, b"\xFF\xD8\xFF").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
