//! Shifts: planned by administrators, seen by guards, summed up in exactly their hours.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Asia::Ho_Chi_Minh;
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use sqlx::types::JsonValue;
use tests::serving::{Serving, session_cookie};

/// A city with an administrator of HNP and one of HKP, one of the city, and a guard of each operator.
struct Crew {
    city: Serving,
    boss: String,
    theirs: String,
    mayor: String,
    guard: String,
}

impl Crew {
    async fn new() -> Self {
        let city = Serving::city(80).await;
        let crew = Self {
            boss: city.administrator("boss", Some("HNP")).await,
            theirs: city.administrator("theirs", Some("HKP")).await,
            mayor: city.administrator("mayor", None).await,
            guard: city.staff("guard", Some("HNP")).await,
            city,
        };
        crew.city.staff("stranger", Some("HKP")).await;
        crew
    }

    async fn post(&self, who: &str, path: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
        let request = self.city.client.post(format!("{}{path}", self.city.url));
        let reply = request.header(COOKIE, who).form(form).send().await.unwrap();
        (reply.status(), reply.text().await.unwrap())
    }

    /// Asks for a shift; the reply's status.
    async fn plan(
        &self,
        who: &str,
        login: &str,
        lots: &[&str],
        (day, from, until): (NaiveDate, &str, &str),
    ) -> StatusCode {
        let day = day.to_string();
        let mut form = vec![
            ("login", login),
            ("day", day.as_str()),
            ("from", from),
            ("until", until),
            ("note", ""),
        ];
        form.extend(lots.iter().map(|lot| ("lot", *lot)));
        self.post(who, "/staff/shifts", &form).await.0
    }

    async fn page(&self, who: &str, path: &str) -> (StatusCode, String) {
        let reply = self
            .city
            .get(path)
            .header(COOKIE, who)
            .send()
            .await
            .unwrap();
        (reply.status(), reply.text().await.unwrap())
    }

    async fn audits(&self, action: &str) -> Vec<JsonValue> {
        sqlx::query_scalar("SELECT detail FROM audit WHERE action = $1 ORDER BY audit_id")
            .bind(action)
            .fetch_all(&self.city.database.pool)
            .await
            .unwrap()
    }

    async fn count(&self) -> i64 {
        self.city
            .database
            .count("shift WHERE cancelled_at IS NULL")
            .await
    }

    /// The newest shift's number.
    async fn newest(&self) -> i32 {
        sqlx::query_scalar("SELECT max(shift_id) FROM shift")
            .fetch_one(&self.city.database.pool)
            .await
            .unwrap()
    }
}

fn local(at: DateTime<Utc>) -> DateTime<chrono_tz::Tz> {
    at.with_timezone(&Ho_Chi_Minh)
}

fn tomorrow() -> NaiveDate {
    local(Utc::now()).date_naive() + TimeDelta::days(1)
}

const PLANNED: StatusCode = StatusCode::SEE_OTHER;

#[tokio::test]
async fn administrators_plan_who_is_where_and_nobody_is_in_two_places() {
    let crew = Crew::new().await;
    let day = tomorrow();
    let morning = (day, "06:00", "14:00");
    assert_eq!(
        crew.plan(&crew.boss, "guard", &["CN-01"], morning).await,
        PLANNED
    );
    // Two places at once, even by a minute; right after it is another shift.
    for (times, expected) in [
        ((day, "13:59", "20:00"), StatusCode::CONFLICT),
        ((day, "05:00", "06:01"), StatusCode::CONFLICT),
        ((day, "14:00", "20:00"), PLANNED),
    ] {
        assert_eq!(
            crew.plan(&crew.boss, "guard", &["CN-01"], times).await,
            expected
        );
    }
    assert_eq!(crew.count().await, 2);
    // Asked for twice at the same moment, it is planned once.
    let night = (day, "22:00", "06:00");
    let lots = ["CN-01"];
    let both = tokio::join!(
        crew.plan(&crew.boss, "guard", &lots, night),
        crew.plan(&crew.boss, "guard", &lots, night)
    );
    let mut both = [both.0, both.1];
    both.sort();
    assert_eq!(both, [PLANNED, StatusCode::CONFLICT]);

    // A guard plans nothing, nor does anybody for another operator's people or lots.
    let later = (day + TimeDelta::days(2), "06:00", "14:00");
    for (who, login, lot, expected) in [
        (&crew.guard, "guard", "CN-01", StatusCode::FORBIDDEN),
        (&crew.theirs, "guard", "CN-01", StatusCode::FORBIDDEN),
        (&crew.theirs, "guard", "HK-01", StatusCode::FORBIDDEN),
        (&crew.theirs, "stranger", "CN-01", StatusCode::FORBIDDEN),
        (&crew.boss, "nobody", "CN-01", StatusCode::NOT_FOUND),
        (&crew.boss, "guard", "XX-99", StatusCode::NOT_FOUND),
        // The city's plans for all, but sends nobody to another operator's lot.
        (
            &crew.mayor,
            "guard",
            "HK-01",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (&crew.mayor, "guard", "CN-01", PLANNED),
        (&crew.theirs, "stranger", "HK-01", PLANNED),
    ] {
        let status = crew.plan(who, login, &[lot], later).await;
        assert_eq!(status, expected, "{login} at {lot}");
    }
    for (lots, times) in [
        (&["CN-01"][..], (day, "08:00", "08:10")),
        (&["CN-01"][..], (day, "00:00", "20:00")),
        (&["CN-01"][..], (day - TimeDelta::days(3), "06:00", "14:00")),
        (
            &["CN-01"][..],
            (day + TimeDelta::days(90), "06:00", "14:00"),
        ),
        (&["CN-01"][..], (day + TimeDelta::days(5), "soon", "14:00")),
        (&[][..], (day + TimeDelta::days(5), "06:00", "14:00")),
    ] {
        let status = crew.plan(&crew.boss, "boss", lots, times).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{lots:?} {times:?}"
        );
    }
    assert_eq!(crew.audits("shift.plan").await.len(), 5);

    // The plan shows one's own operator's, and to guards nothing.
    let (status, page) = crew.page(&crew.boss, "/staff/shifts?lang=en").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("06:00–14:00") && page.contains("22:00–06:00 next day"),
        "{page}"
    );
    assert!(!page.contains("stranger"));
    assert!(page.contains("Charged hours without anybody"));
    for path in [
        "/staff/shifts".to_owned(),
        format!("/staff/shifts/{}", crew.newest().await),
    ] {
        assert_eq!(crew.page(&crew.guard, &path).await.0, StatusCode::FORBIDDEN);
    }

    // Planned otherwise, with what it was on the record; then cancelled.
    let path = format!("/staff/shifts/{}", crew.newest().await);
    let moved = [
        ("login", "stranger"),
        ("lot", "HK-01"),
        ("day", &(day + TimeDelta::days(3)).to_string()),
        ("from", "07:00"),
        ("until", "15:00"),
    ];
    assert_eq!(
        crew.post(&crew.boss, &path, &moved).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(crew.post(&crew.theirs, &path, &moved).await.0, PLANNED);
    let changes = crew.audits("shift.change").await;
    assert_eq!(changes[0]["was"]["lots"][0], "HK-01");
    assert_ne!(changes[0]["was"]["from"], changes[0]["from"]);
    let before = crew.count().await;
    let cancel = format!("{path}/cancel");
    assert_eq!(
        crew.post(&crew.guard, &cancel, &[]).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        crew.post(&crew.boss, &cancel, &[]).await.0,
        StatusCode::FORBIDDEN
    );
    for _ in 0..2 {
        assert_eq!(crew.post(&crew.theirs, &cancel, &[]).await.0, PLANNED);
    }
    assert_eq!(crew.count().await, before - 1);
    assert_eq!(crew.audits("shift.cancel").await.len(), 1);
    assert_eq!(
        crew.post(&crew.theirs, &path, &moved).await.0,
        StatusCode::NOT_FOUND
    );
}

/// A shift that began yesterday evening, or an hour ago, whatever the hour; with what was done just before it,
/// in it and just after it.
#[tokio::test]
async fn a_shift_s_summary_is_of_exactly_its_hours_and_lots() {
    let crew = Crew::new().await;
    let pool = &crew.city.database.pool;
    // Two hours ago until tomorrow's same hour less half a day: it passes midnight at every hour but few.
    let now = Utc::now();
    let (from, until) = (
        local(now) - TimeDelta::hours(2),
        local(now) + TimeDelta::hours(13),
    );
    let minute = |at: DateTime<chrono_tz::Tz>| at.format("%H:%M").to_string();
    let times = (from.date_naive(), &*minute(from), &*minute(until));
    assert_eq!(
        crew.plan(&crew.boss, "guard", &["CN-01", "CN-02"], times)
            .await,
        PLANNED
    );
    let id = crew.newest().await;
    let (starts, ends): (DateTime<Utc>, DateTime<Utc>) =
        sqlx::query_as("SELECT starts_at, ends_at FROM shift WHERE shift_id = $1")
            .bind(id)
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(minute(local(starts)), minute(from));
    assert_eq!(
        ends - starts,
        TimeDelta::hours(15),
        "past midnight where need be"
    );

    // Notices just before, at the start, at the last moment, at the end; and one elsewhere.
    let second = TimeDelta::seconds(1);
    let notices = [
        ("CN-01-001", starts - second),
        ("CN-01-001", starts),
        ("CN-02-001", ends - second),
        ("CN-01-001", ends),
        ("HK-01-001", starts + second),
    ];
    for (index, (bay, at)) in notices.iter().enumerate() {
        sqlx::query(
            "INSERT INTO parking_notice (code, bay_id, plate, class, starts_at, ends_at, amount_vnd, issued_by, issued_at)
             SELECT $1, bay_id, '30A12345', 'car', $3::timestamptz - interval '1 hour', $3, 20000,
                    (SELECT staff_id FROM staff WHERE login = 'guard'), $3
             FROM bay WHERE code = $2",
        )
        .bind(format!("000000000{index}"))
        .bind(bay)
        .bind(at)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query("INSERT INTO audit (at, actor, action, detail) VALUES ($1, 'staff:guard', 'parking_notice.issue', '{}')")
            .bind(at)
            .execute(pool)
            .await
            .unwrap();
    }
    let path = format!("/staff/shift?planned={id}&lang=en");
    let (status, page) = crew.page(&crew.guard, &path).await;
    assert_eq!(status, StatusCode::OK);
    let figure = |label: &str| {
        let after = page.split_once(label).expect(&page).1;
        let (_, after) = after.split_once("<b>").unwrap();
        after.split_once("</b>").unwrap().0.to_owned()
    };
    assert_eq!(figure("Notices written"), "2");
    assert!(page.contains("+ 1 elsewhere"), "{page}");
    assert_eq!(page.matches("<td>Notice written</td>").count(), 3, "{page}");

    // The guard is told where to be; whoever looks after them opens it too, and nobody else.
    for page in ["/staff?lang=en", "/staff/shift?lang=en"] {
        let (_, page) = crew.page(&crew.guard, page).await;
        let told = format!("You are on until {}", minute(local(ends)));
        assert!(
            page.contains(&told) && page.contains("at CN-01, CN-02"),
            "{page}"
        );
    }
    let (_, mine) = crew.page(&crew.guard, "/staff?lang=en&lots=mine").await;
    assert!(mine.contains("/staff?lots=mine"));
    for (who, expected) in [
        (&crew.boss, StatusCode::OK),
        (&crew.mayor, StatusCode::OK),
        (&crew.theirs, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(crew.page(who, &path).await.0, expected);
    }
    let stranger = session_cookie(&crew.city.sign_in("stranger", "a password").await);
    assert_eq!(crew.page(&stranger, &path).await.0, StatusCode::FORBIDDEN);
    let (_, theirs) = crew.page(&stranger, "/staff?lang=en").await;
    assert!(!theirs.contains("You are on until") && !theirs.contains("lots=mine"));
}
