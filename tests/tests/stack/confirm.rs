//! The question whether it is still they, before what matters.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::page::field;
use tests::serving::{Serving, text};

use crate::second_factor::{FACTOR, PASSWORD, ask, change, deed, enrol, later, look, record};

/// Lets more than five minutes go by since anybody showed that it is they.
async fn grow_old(city: &Serving) {
    let older =
        "UPDATE staff_login SET confirmed_at = confirmed_at - interval '5 minutes 1 second'";
    change(city, older).await;
}

#[tokio::test]
async fn before_what_matters_staff_show_that_it_is_still_they() {
    let city = Serving::city(80).await;
    city.staff("guard", Some("HNP")).await;
    let boss = city.administrator("boss", Some("HNP")).await;
    grow_old(&city).await;
    assert_eq!(look(&city, &boss, "/staff/people").await.0, StatusCode::OK);

    // The form comes back with what was typed into it.
    let new = [
        ("login", "new"),
        ("name", "Chị \"Hoa\""),
        ("administrator", "true"),
    ];
    let (asked, page) = deed(&city, &boss, "/staff/people", &new).await;
    assert_eq!(asked, StatusCode::FORBIDDEN);
    assert!(page.contains("action=\"/staff/people\""), "{page}");
    let kept = |page: &str| ["login", "name", "administrator"].map(|name| field(page, name));
    let expected = ["new", "Chị &quot;Hoa&quot;", "true"].map(|text| Some(text.to_owned()));
    assert_eq!(kept(&page), expected);
    assert!(!page.contains("one-time-code"), "there is no second factor");
    let with = |password| {
        let mut form = new.to_vec();
        form.push(("confirm_password", password));
        form
    };
    // Whoever signs in after them answers for themselves alone.
    let another = city.administrator("another", Some("HNP")).await;
    let of = field(&page, "confirm_of").unwrap();
    let mut theirs = with(PASSWORD);
    theirs.push(("confirm_of", &of));
    let (refused, _) = deed(&city, &another, "/staff/people", &theirs).await;
    assert_eq!(refused, StatusCode::CONFLICT);
    let (refused, page) = deed(&city, &boss, "/staff/people", &with("wrong")).await;
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    assert_eq!(kept(&page), expected);
    assert_eq!(field(&page, "confirm_password"), None, "not sent back");
    assert!(city.database.store.member("new").await.is_err());
    let (done, page) = deed(&city, &boss, "/staff/people", &with(PASSWORD)).await;
    assert_eq!(done, StatusCode::OK, "{page}");
    assert_eq!(
        city.database.store.member("new").await.unwrap().name,
        "Chị \"Hoa\""
    );
    // For five minutes nothing is asked again.
    let (done, _) = deed(&city, &boss, "/staff/people/new", &[("deed", "staff")]).await;
    assert_eq!(done, StatusCode::OK);

    grow_old(&city).await;
    let lines = city.database.count("audit").await;
    for what in [
        "password",
        "administrator",
        "out",
        "unlink",
        "second_factor",
    ] {
        let (asked, page) = deed(&city, &boss, "/staff/people/guard", &[("deed", what)]).await;
        assert_eq!(asked, StatusCode::FORBIDDEN, "{what}");
        assert_eq!(field(&page, "deed").as_deref(), Some(what));
    }
    for (path, what) in [
        ("/staff/identity", "link"),
        (FACTOR, "begin"),
        (FACTOR, "codes"),
    ] {
        let (asked, _) = deed(&city, &boss, path, &[("deed", what)]).await;
        assert_eq!(asked, StatusCode::FORBIDDEN, "{path}");
    }
    let (asked, page) = look(&city, &boss, FACTOR).await;
    assert_eq!(asked, StatusCode::FORBIDDEN);
    assert!(!page.contains("data-secret"), "{page}");
    assert_eq!(city.database.count("audit").await, lines);
    // Who signed in at a program of the version before has shown nothing that this one knows of.
    change(&city, "UPDATE staff_login SET confirmed_at = NULL").await;
    let (asked, _) = deed(&city, &boss, "/staff/people/guard", &[("deed", "out")]).await;
    assert_eq!(asked, StatusCode::FORBIDDEN);
    assert_eq!(
        record(&city, "staff.confirm").await,
        ["staff:boss staff.confirm password"]
    );
}

#[tokio::test]
async fn money_goes_back_by_who_has_shown_that_it_is_still_they() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let (phone, codes) = enrol(&city, &guard).await;
    let dispute = async |bay: &str| {
        let open = city.paid_session(bay, 60).await;
        let receipt = text(&city.payment(&open).await["receipt_id"]);
        let path = format!("/api/v1/receipts/{receipt}/disputes");
        let body = json!({"reason": "other", "text": "nobody parked there"});
        text(&city.post_as("", &path, &body).await.1["id"])
    };
    let (first, second) = (dispute("CN-01-001").await, dispute("CN-01-002").await);
    grow_old(&city).await;
    let refund = json!({"decision": "refund", "answer": "sorry"});
    let path = format!("/api/v1/staff/disputes/{first}");
    let (refused, problem) = ask(&city, &guard, &path, &refund).await;
    assert_eq!(refused, StatusCode::FORBIDDEN);
    assert_eq!(
        problem["type"],
        "urn:clearbay:problem:confirmation-required"
    );
    assert_eq!(city.database.count("refund").await, 0);
    // To say no takes no more than to be signed in.
    let refuse = json!({"decision": "refuse", "answer": "no"});
    let (done, _) = ask(
        &city,
        &guard,
        &format!("/api/v1/staff/disputes/{second}"),
        &refuse,
    )
    .await;
    assert_eq!(done, StatusCode::OK);

    // Whatever of the two is wrong, the answer is the same.
    later(&city).await;
    let confirm = async |body: Value| {
        let path = "/api/v1/staff/confirmations";
        ask(&city, &guard, path, &body).await
    };
    for body in [
        json!({"password": "wrong", "code": phone.code()}),
        json!({"password": PASSWORD}),
        json!({"password": PASSWORD, "code": phone.wrong()}),
        json!({"password": PASSWORD, "recovery_code": "aaaaa-aaaaa-aaaaa"}),
    ] {
        let (refused, problem) = confirm(body).await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED);
        assert_eq!(problem["type"], "urn:clearbay:problem:not-confirmed");
        assert_eq!(problem["detail"], "the password or the code is wrong");
    }
    assert_eq!(
        ask(&city, &guard, &path, &refund).await.0,
        StatusCode::FORBIDDEN
    );
    let code = phone.code();
    let right = json!({"password": PASSWORD, "code": code});
    assert_eq!(confirm(right.clone()).await.0, StatusCode::NO_CONTENT);
    assert_eq!(
        confirm(right).await.0,
        StatusCode::UNAUTHORIZED,
        "a code counts once"
    );
    assert_eq!(ask(&city, &guard, &path, &refund).await.0, StatusCode::OK);
    assert_eq!(city.database.count("refund").await, 1);

    // The same on the page, where a recovery code does as well.
    let third = dispute("CN-02-001").await;
    grow_old(&city).await;
    let path = format!("/staff/money/disputes/{third}");
    let form = [("decision", "refund"), ("answer", "sorry")];
    let (asked, page) = deed(&city, &guard, &path, &form).await;
    assert_eq!(asked, StatusCode::FORBIDDEN);
    assert_eq!(field(&page, "answer").as_deref(), Some("sorry"));
    assert!(page.contains("one-time-code"), "{page}");
    let mut form = form.to_vec();
    form.extend([
        ("confirm_password", PASSWORD),
        ("confirm_recovery", &codes[0]),
    ]);
    // Of two touches the second finds what the first has shown, though its code is spent.
    for _ in 0..2 {
        let (done, page) = deed(&city, &guard, &path, &form).await;
        assert_eq!(done, StatusCode::SEE_OTHER, "{page}");
        assert_eq!(city.database.count("refund").await, 2);
    }
    let (nobody, _) = ask(
        &city,
        "",
        "/api/v1/staff/confirmations",
        &json!({"password": PASSWORD}),
    )
    .await;
    assert_eq!(nobody, StatusCode::UNAUTHORIZED);
    assert_eq!(
        record(&city, "staff.confirm").await,
        [
            "staff:guard staff.confirm password and code",
            "staff:guard staff.confirm password and recovery code",
        ]
    );
    city.assert_books_are_right().await;
}

/// A phone that is signed in at the identity provider would be enough to become somebody for ever.
#[tokio::test]
async fn who_came_without_the_password_gives_themselves_nothing_that_stays() {
    let city = Serving::city(80).await;
    let boss = city.administrator("boss", Some("HNP")).await;
    enrol(&city, &boss).await;
    change(&city, "UPDATE staff_login SET by_identity = true").await;
    for (path, form) in [
        ("/staff/people/boss", [("deed", "password")]),
        (FACTOR, [("deed", "end")]),
    ] {
        let (refused, page) = deed(&city, &boss, path, &form).await;
        assert_eq!(refused, StatusCode::CONFLICT, "{path}: {page}");
    }
    change(&city, "UPDATE staff_login SET by_identity = false").await;
    let (own, page) = deed(&city, &boss, "/staff/people/boss", &[("deed", "password")]).await;
    assert!(own.is_success(), "{own} {page}");
}
