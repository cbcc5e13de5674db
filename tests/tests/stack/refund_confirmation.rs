//! Money goes back on one person's word up to a limit, above it on two people's.

use chrono::{DateTime, TimeDelta, Utc};
use domain::dispute::DisputeStatus;
use domain::money::Vnd;
use futures::future::join_all;
use reqwest::StatusCode;
use reqwest::header::{COOKIE, LOCATION};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::dispute::{Decision, Outcome};
use store::staff::Staff;
use tests::citizen::{noon, published};
use tests::serving::{Open, Serving, text};
use uuid::Uuid;

const OPERATOR: &str = "HNP";
const PROPOSALS: &str = "/api/v1/staff/refund-proposals";
/// Nine hours of a car cost 345,000 đồng.
const LONG: u32 = 540;

/// Something paid for, about which a driver complains.
struct Disputed {
    paid: Open,
    receipt: String,
    dispute: String,
}

async fn complains(city: &Serving, receipt: &str) -> String {
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let body = json!({"reason": "could_not_park", "text": "Chỗ đã có xe khác."});
    let (status, dispute) = city.post_as("", &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{dispute}");
    text(&dispute["id"])
}

async fn disputed(city: &Serving, bay: &str) -> Disputed {
    let paid = city.paid_session(bay, LONG).await;
    assert!(paid.amount_vnd > 200_000, "{}", paid.amount_vnd);
    let receipt = text(&city.payment(&paid).await["receipt_id"]);
    let dispute = complains(city, &receipt).await;
    Disputed {
        paid,
        receipt,
        dispute,
    }
}

async fn says(city: &Serving, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let reply = city.post(path, body).header(COOKIE, who).send().await;
    let reply = reply.unwrap();
    (reply.status(), reply.json().await.unwrap_or_default())
}

/// Refunds so much of a dispute's money, or all.
async fn refunds(
    city: &Serving,
    who: &str,
    dispute: &str,
    amount_vnd: Option<i64>,
) -> (StatusCode, Value) {
    let path = format!("/api/v1/staff/disputes/{dispute}");
    let body = json!({"decision": "refund", "answer": "Xin lỗi bạn.", "amount_vnd": amount_vnd});
    says(city, who, &path, &body).await
}

async fn confirms(city: &Serving, who: &str, proposal: &str) -> StatusCode {
    let path = format!("{PROPOSALS}/{proposal}");
    says(city, who, &path, &json!({"decision": "confirm"}))
        .await
        .0
}

async fn asked(city: &Serving, who: &str, path: &str) -> (StatusCode, Value) {
    let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
    (reply.status(), reply.json().await.unwrap_or_default())
}

async fn page(city: &Serving, who: &str, path: &str) -> String {
    let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK, "{path}");
    reply.text().await.unwrap()
}

/// Sends a form; the status, and where it leads.
async fn sends(
    city: &Serving,
    who: &str,
    path: &str,
    form: &[(&str, &str)],
) -> (StatusCode, String) {
    let reply = city.form_as(who, path, form).await;
    let to = reply.headers().get(LOCATION);
    let to = to.map(|to| to.to_str().unwrap().to_owned());
    (reply.status(), to.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_goes_back_once_a_second_person_has_confirmed_it_and_once_only() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let colleague = city.staff("colleague", Some(OPERATOR)).await;
    let chief = city.administrator("chief", Some(OPERATOR)).await;
    let stranger = city.administrator("stranger", Some("THP")).await;
    let mayor = city.administrator("mayor", None).await;
    let it = disputed(&city, "CN-01-001").await;

    let (status, decided) = refunds(&city, &guard, &it.dispute, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{decided}");
    assert_eq!(decided["status"], "open");
    let proposal = text(&decided["proposal"]);
    // The same again is the same; another wish waits.
    let again = refunds(&city, &guard, &it.dispute, None).await;
    assert_eq!(again, (StatusCode::ACCEPTED, decided));
    for (who, amount) in [(&colleague, None), (&guard, Some(100_000))] {
        let (status, other) = refunds(&city, who, &it.dispute, amount).await;
        assert_eq!(status, StatusCode::CONFLICT, "{other}");
    }
    assert_eq!(city.database.count("refund").await, 0);
    assert_eq!(city.payment(&it.paid).await["status"], "posted");

    let kept = "refund_decision WHERE answer IS NOT NULL";
    assert_eq!(city.database.count(kept).await, 1);

    // The driver is told that it is being looked at, and no answer before it is one.
    let disputes = format!("/api/v1/receipts/{}/disputes", it.receipt);
    let told = city.json(&disputes).await["disputes"][0].clone();
    assert_eq!(told["status"], "open");
    assert_eq!(told["in_review"], true);
    assert!(told["answer"].is_null(), "{told}");
    let receipt_page = page(&city, "", &format!("/r/{}", it.receipt)).await;
    assert!(receipt_page.contains("đang được xem xét"), "{receipt_page}");
    assert!(!receipt_page.contains("Xin lỗi bạn."), "{receipt_page}");

    // Who may look at it, and who sees that it waits.
    for (who, seen) in [(&guard, 1), (&chief, 1), (&mayor, 1), (&stranger, 0)] {
        let (status, list) = asked(&city, who, PROPOSALS).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(list["proposals"].as_array().unwrap().len(), seen, "{list}");
    }
    for (who, expected) in [
        (&guard, StatusCode::FORBIDDEN),
        (&colleague, StatusCode::FORBIDDEN),
        (&stranger, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(confirms(&city, who, &proposal).await, expected);
    }
    let action = format!("action=\"/staff/money/proposals/{proposal}\"");
    assert!(page(&city, &chief, "/staff/money").await.contains(&action));
    assert!(!page(&city, &guard, "/staff/money").await.contains(&action));
    let nothing = Uuid::now_v7().to_string();
    let unknown = confirms(&city, &chief, &nothing).await;
    assert_eq!(unknown, StatusCode::NOT_FOUND);

    // Two confirm at once, and each insists.
    let both = [&chief, &mayor, &chief, &mayor].map(|who| confirms(&city, who, &proposal));
    assert_eq!(join_all(both).await, [StatusCode::OK; 4]);
    let refuse = json!({"decision": "refuse", "note": "no"});
    let path = format!("{PROPOSALS}/{proposal}");
    let (late, _) = says(&city, &mayor, &path, &refuse).await;
    assert_eq!(late, StatusCode::CONFLICT);
    assert_eq!(city.database.count("refund").await, 1);
    for action in ["refund.propose", "refund.confirm", "dispute.decide"] {
        let lines = format!("audit WHERE action = '{action}'");
        assert_eq!(city.database.count(&lines).await, 1, "{action}");
    }
    let told = city.json(&disputes).await["disputes"][0].clone();
    assert_eq!(told["status"], "refunded");
    assert_eq!(told["in_review"], false);
    assert_eq!(told["answer"], "Xin lỗi bạn.");
    // The dispute has it now, and with the dispute it goes.
    assert_eq!(city.database.count(kept).await, 0);
    assert_eq!(city.payment(&it.paid).await["status"], "refunded");
    published(&city, 2).await;
    city.assert_books_are_right().await;

    // Who gave back how much, and how much of it alone.
    let small = disputed(&city, "CN-01-002").await;
    let (status, _) = refunds(&city, &guard, &small.dispute, Some(40_000)).await;
    assert_eq!(status, StatusCode::OK);
    let report = "/api/v1/staff/reports/refunds";
    for (who, expected) in [
        (&String::new(), StatusCode::UNAUTHORIZED),
        (&guard, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(asked(&city, who, report).await.0, expected);
    }
    // By the months of the refunds, should one have ended since.
    let mut rows = Vec::new();
    for at in [Utc::now() - TimeDelta::hours(1), Utc::now()] {
        let local = at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
        let path = format!("{report}?month={}", local.format("%Y-%m"));
        let (status, found) = asked(&city, &chief, &path).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let found = found["rows"].as_array().unwrap().clone();
        rows.extend(
            found
                .into_iter()
                .filter(|row| !rows.contains(row))
                .collect::<Vec<_>>(),
        );
    }
    let sum = |login: &str, what: &str| {
        let of = rows.iter().filter(|row| row["login"] == login);
        of.map(|row| row[what].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!(sum("guard", "refunds"), 2);
    assert_eq!(sum("guard", "amount_vnd"), it.paid.amount_vnd + 40_000);
    assert_eq!(sum("guard", "alone"), 1);
    assert_eq!(sum("guard", "alone_vnd"), 40_000);
    assert_eq!(sum("chief", "confirmed") + sum("mayor", "confirmed"), 1);
    let auditor = city.auditor("auditor").await;
    let (status, theirs) = asked(&city, &stranger, report).await;
    assert_eq!((status, &theirs["rows"]), (StatusCode::OK, &json!([])));
    assert_eq!(asked(&city, &auditor, report).await.0, StatusCode::OK);
    let wrong = asked(&city, &chief, &format!("{report}?month=July")).await;
    assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page(&city, &auditor, "/staff/refunds")
            .await
            .contains("guard")
    );
}

/// What a statement of the role that serves is refused by.
async fn refused_by(city: &Serving, statement: &str) -> String {
    let url = &city.database.serve_url;
    let mut serve = PgConnection::connect(url).await.unwrap();
    let statement = AssertSqlSafe(statement.to_owned());
    let error = sqlx::raw_sql(statement).execute(&mut serve).await;
    let error = error.expect_err("it was done");
    let named = error
        .as_database_error()
        .and_then(|error| error.constraint());
    named.unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[tokio::test]
async fn the_database_refuses_what_one_person_may_not() {
    let city = Serving::city(80).await;
    let chief = city.administrator("chief", Some(OPERATOR)).await;
    city.staff("guard", Some(OPERATOR)).await;
    city.administrator("stranger", Some("THP")).await;
    let it = disputed(&city, "CN-01-001").await;
    let (status, decided) = refunds(&city, &chief, &it.dispute, None).await;
    assert_eq!(
        status,
        StatusCode::ACCEPTED,
        "an administrator is one person"
    );
    let proposal = text(&decided["proposal"]);
    assert_eq!(
        confirms(&city, &chief, &proposal).await,
        StatusCode::CONFLICT,
        "nobody confirms their own"
    );

    let confirmed = |login: &str| {
        format!(
            "UPDATE refund_decision SET status = 'confirmed', second_at = now(),
                second_by = (SELECT staff_id FROM staff WHERE login = '{login}')"
        )
    };
    let booked = |id: &str, amount: &str| {
        format!(
            "INSERT INTO refund (refund_id, gateway, bank_ref, payment_id, reference, amount_vnd, ground,
                                 status, lot_id, day, created_at)
             SELECT {id}, gateway, bank_ref, payment_id, 'a reference', {amount}, 'dispute', 'pending',
                    lot_id, day, now()
             FROM refund_decision JOIN receipt USING (payment_id)"
        )
    };
    let alone = |amount: i64| {
        format!(
            "INSERT INTO refund_decision (refund_id, gateway, bank_ref, payment_id, amount_vnd, status,
                                          decided_by, decided_at)
             SELECT gen_random_uuid(), gateway, bank_ref, payment_id, {amount}, 'alone', decided_by, now()
             FROM refund_decision"
        )
    };
    for (statement, rule) in [
        (confirmed("chief"), "refund_decision_two_people"),
        (confirmed("guard"), "refund_decision_administrator"),
        (confirmed("stranger"), "refund_decision_administrator"),
        // As proposed, before anybody has confirmed it; and as if nothing had been proposed.
        (
            booked("refund_id", "refund_decision.amount_vnd"),
            "refund_is_decided",
        ),
        (booked("gen_random_uuid()", "200001"), "refund_is_decided"),
        (alone(200_001), "refund_alone"),
        (
            "UPDATE operator SET refund_alone_vnd = 10000001".to_owned(),
            "operator_refund_alone",
        ),
    ] {
        assert_eq!(refused_by(&city, &statement).await, rule, "{statement}");
    }
    assert_eq!(city.database.count("refund").await, 0);

    // What was decided is never decided otherwise, by its owner neither.
    city.administrator("mayor", None).await;
    let pool = &city.database.pool;
    sqlx::query(AssertSqlSafe(confirmed("mayor")))
        .execute(pool)
        .await
        .unwrap();
    for change in [
        "UPDATE refund_decision SET status = 'refused'",
        "UPDATE refund_decision SET amount_vnd = 1",
        "DELETE FROM refund_decision",
        "TRUNCATE refund_decision",
    ] {
        assert!(sqlx::query(change).execute(pool).await.is_err(), "{change}");
    }
    // Not even then may another amount go back.
    let other = booked("refund_id", "1");
    assert_eq!(refused_by(&city, &other).await, "refund_is_decided");
}

#[tokio::test]
async fn what_is_not_confirmed_waits_as_before_and_the_reason_is_told() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let chief = city.administrator("chief", Some(OPERATOR)).await;
    let it = disputed(&city, "CN-01-001").await;
    let decide = format!("/staff/money/disputes/{}", it.dispute);
    let wish = [("decision", "refund"), ("answer", "Xin lỗi bạn.")];
    let (status, to) = sends(&city, &guard, &decide, &wish).await;
    assert_eq!(
        (status, to.as_str()),
        (StatusCode::SEE_OTHER, "/staff/money?proposed")
    );
    let shown = page(&city, &guard, "/staff/money").await;
    assert!(!shown.contains(&format!("action=\"{decide}\"")), "{shown}");
    let (_, list) = asked(&city, &chief, PROPOSALS).await;
    let proposal = text(&list["proposals"][0]["id"]);
    assert_eq!(list["proposals"][0]["proposed_by"], "guard");

    let path = format!("/staff/money/proposals/{proposal}");
    let no = [("decision", "refuse"), ("note", " ")];
    let (status, _) = sends(&city, &chief, &path, &no).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "why not?");
    let no = [("decision", "refuse"), ("note", "Ảnh cho thấy chỗ trống")];
    let (status, _) = sends(&city, &guard, &path, &no).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, to) = sends(&city, &chief, &path, &no).await;
    assert_eq!(
        (status, to.as_str()),
        (StatusCode::SEE_OTHER, "/staff/money?decided")
    );
    assert_eq!(
        confirms(&city, &chief, &proposal).await,
        StatusCode::CONFLICT
    );
    assert_eq!(city.database.count("refund").await, 0);

    let disputes = format!("/api/v1/receipts/{}/disputes", it.receipt);
    let told = city.json(&disputes).await["disputes"][0].clone();
    assert_eq!(
        (&told["status"], &told["in_review"]),
        (&json!("open"), &json!(false))
    );
    let shown = page(&city, &guard, "/staff/money").await;
    assert!(shown.contains("Ảnh cho thấy chỗ trống"), "{shown}");
    assert!(shown.contains(&format!("action=\"{decide}\"")), "{shown}");
    let public = page(&city, "", &format!("/r/{}", it.receipt)).await;
    assert!(
        !public.contains("Ảnh cho thấy"),
        "colleagues read it, not the driver"
    );

    // What a program of the version before has decided leaves its proposal for a second person to end.
    let it = disputed(&city, "CN-01-002").await;
    let (status, _) = refunds(&city, &guard, &it.dispute, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let decided = format!(
        "UPDATE dispute SET status = 'refused', answer = 'no', answered_at = now(),
            staff_id = (SELECT min(staff_id) FROM staff) WHERE dispute_id = '{}'",
        it.dispute
    );
    let decided = sqlx::query(AssertSqlSafe(decided)).execute(&city.database.pool);
    decided.await.unwrap();
    let (_, list) = asked(&city, &chief, PROPOSALS).await;
    let left = text(&list["proposals"][0]["id"]);
    assert_eq!(confirms(&city, &chief, &left).await, StatusCode::CONFLICT);
    let path = format!("/staff/money/proposals/{left}");
    let (status, _) = sends(&city, &chief, &path, &no).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, list) = asked(&city, &chief, PROPOSALS).await;
    assert_eq!(list["proposals"], json!([]));

    let it = disputed(&city, "CN-02-001").await;
    // Up to the limit she decides by herself.
    let (status, _) = refunds(&city, &guard, &it.dispute, Some(200_000)).await;
    assert_eq!(status, StatusCode::OK);
    city.assert_books_are_right().await;
}

/// What one of the staff decides at a moment.
async fn at_moment(
    city: &Serving,
    who: &Staff,
    dispute: &str,
    amount: i64,
    at: DateTime<Utc>,
) -> bool {
    let decision = Decision::Refund(Some(Vnd::new(amount)));
    let id = dispute.parse().unwrap();
    let store = &city.database.store;
    let decided = store.dispute_decide(id, who, &decision, "Xin lỗi bạn.", at);
    match decided.await.unwrap() {
        Outcome::Decided(DisputeStatus::Refunded) => true,
        Outcome::Proposed(_) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_sums_add_up_by_payment_and_by_person_and_day() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let chief = city.administrator("chief", Some(OPERATOR)).await;
    let store = &city.database.store;
    let member = async |login: &str| store.staff_find(login).await.unwrap().unwrap().0;

    // Half a million in a day, on the record; who may not say so does not.
    let limits = "/staff/money/limits";
    let set = |payment, day| [("operator", ""), ("payment_vnd", payment), ("day_vnd", day)];
    for (who, form, expected) in [
        (&guard, set("1000000", "1000000"), StatusCode::FORBIDDEN),
        (
            &chief,
            set("10000001", "1"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            &chief,
            set("200000", "-1"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (&chief, set("200000", "500000"), StatusCode::SEE_OTHER),
        (&chief, set("200000", "500000"), StatusCode::SEE_OTHER),
    ] {
        assert_eq!(
            sends(&city, who, limits, &form).await.0,
            expected,
            "{form:?}"
        );
    }
    let others = [("operator", "THP"), ("payment_vnd", "0"), ("day_vnd", "0")];
    assert_eq!(
        sends(&city, &chief, limits, &others).await.0,
        StatusCode::FORBIDDEN
    );
    let line: Vec<(String, i64)> = sqlx::query_as(
        "SELECT actor, (detail -> 'after' ->> 'refund_alone_day_vnd')::bigint FROM audit
         WHERE action = 'refund.limits'",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(line, [("staff:chief".to_owned(), 500_000)]);

    // One payment in parts.
    let first = disputed(&city, "CN-01-001").await;
    let second = disputed(&city, "CN-01-002").await;
    let third = disputed(&city, "CN-02-001").await;
    let (guard_member, chief_member) = (member("guard").await, member("chief").await);
    let evening = noon(1) + TimeDelta::hours(11);
    assert!(at_moment(&city, &guard_member, &first.dispute, 150_000, evening).await);
    let again = complains(&city, &first.receipt).await;
    assert!(
        !at_moment(&city, &chief_member, &again, 50_001, evening).await,
        "more than 200,000 of one payment, whoever gives it back"
    );
    // A day of one person, until midnight in the city.
    assert!(at_moment(&city, &guard_member, &second.dispute, 200_000, evening).await);
    let before_midnight = evening + TimeDelta::minutes(59);
    assert!(
        !at_moment(
            &city,
            &guard_member,
            &third.dispute,
            150_001,
            before_midnight
        )
        .await
    );
    let fourth = disputed(&city, "CN-02-002").await;
    assert!(
        at_moment(
            &city,
            &chief_member,
            &fourth.dispute,
            150_001,
            before_midnight
        )
        .await
    );
    let fifth = disputed(&city, "CN-03-001").await;
    let after_midnight = evening + TimeDelta::minutes(61);
    assert!(
        at_moment(
            &city,
            &guard_member,
            &fifth.dispute,
            200_000,
            after_midnight
        )
        .await
    );

    // At once: only what the day has room for.
    let (sixth, seventh) = (
        disputed(&city, "CN-03-002").await,
        disputed(&city, "BD-01-001").await,
    );
    let next_noon = noon(-1);
    let (one, other) = tokio::join!(
        at_moment(&city, &chief_member, &sixth.dispute, 190_000, next_noon),
        at_moment(&city, &chief_member, &seventh.dispute, 190_000, next_noon)
    );
    assert!(one && other);
    let (eighth, ninth) = (
        disputed(&city, "BD-01-002").await,
        disputed(&city, "BD-02-001").await,
    );
    let (one, other) = tokio::join!(
        at_moment(&city, &chief_member, &eighth.dispute, 110_000, next_noon),
        at_moment(&city, &chief_member, &ninth.dispute, 110_000, next_noon)
    );
    assert!(one ^ other, "{one} {other}");
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn money_without_an_owner_needs_two_of_the_city_and_what_a_rule_gives_back_nobody() {
    let city = Serving::city(80).await;
    let clerk = city.staff("clerk", None).await;
    let mayor = city.administrator("mayor", None).await;
    let chief = city.administrator("chief", Some(OPERATOR)).await;
    let stray = |bank_ref: &str, amount: i64| {
        json!({"bank_ref": bank_ref, "description": "?", "amount_vnd": amount, "currency": "VND",
            "paid_at": Utc::now()})
    };
    city.outcomes(&[stray("F1", 7_000), stray("F2", 300_000)])
        .await;
    let back = async |bank_ref: &str| {
        let form = [("gateway", "vietqr"), ("bank_ref", bank_ref)];
        sends(&city, &clerk, "/staff/money/suspense", &form).await.1
    };
    assert_eq!(back("F1").await, "/staff/money?decided");
    assert_eq!(back("F2").await, "/staff/money?proposed");
    assert_eq!(back("F2").await, "/staff/money?proposed");
    assert_eq!(city.database.count("refund").await, 1);
    let (_, list) = asked(&city, &mayor, PROPOSALS).await;
    let proposals = list["proposals"].as_array().unwrap();
    assert_eq!(proposals.len(), 1, "{list}");
    let proposal = text(&proposals[0]["id"]);
    assert_eq!(
        confirms(&city, &chief, &proposal).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(confirms(&city, &mayor, &proposal).await, StatusCode::OK);
    assert_eq!(
        back("F2").await,
        "/staff/money?decided",
        "it is there already"
    );
    assert_eq!(city.database.count("refund").await, 2);

    // Paid after its time: it goes back by itself, whatever it is.
    let open = city.open_payment("CN-01-001", LONG).await;
    let late = open.transfer_of(open.amount_vnd, Utc::now() + TimeDelta::minutes(16));
    assert_eq!(city.outcomes(&[late]).await, ["late"]);
    assert_eq!(city.database.count("refund WHERE ground = 'late'").await, 1);
    assert_eq!(city.database.count("refund_decision").await, 2);
    city.assert_books_are_right().await;
}
