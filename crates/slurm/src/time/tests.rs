use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{GREATEST_MINUTES, PointError, TimeLimit, parse_point, point_text};

/// A Sunday morning, at which the expected points were observed.
fn now() -> Timestamp {
    "2026-11-22T07:51:30Z".parse().unwrap()
}

fn point(text: &str) -> Result<String, PointError> {
    parse_point(text, now(), &TimeZone::UTC).map(|time| point_text(time, &TimeZone::UTC))
}

#[test]
fn limits_are_read_and_printed() {
    for (text, seconds, minutes, printed) in [
        ("10", 600, 10, "00:10:00"),
        ("10:30", 630, 11, "00:10:30"),
        ("1:10:30", 4230, 71, "01:10:30"),
        ("1-2", 93_600, 1560, "1-02:00:00"),
        ("1-2:3", 93_780, 1563, "1-02:03:00"),
        ("1-2:3:4", 93_784, 1564, "1-02:03:04"),
        ("1-", 86_400, 1440, "1-00:00:00"),
        ("1-25", 176_400, 2940, "2-01:00:00"),
        ("1000", 60_000, 1000, "16:40:00"),
        ("100:0:0", 360_000, 6000, "4-04:00:00"),
        ("0:90", 90, 2, "00:01:30"),
        ("5:61", 361, 7, "00:06:01"),
        ("2:60:60", 10_860, 181, "03:01:00"),
        ("0", 0, 0, "00:00:00"),
        ("0-0", 0, 0, "00:00:00"),
        ("365-0", 31_536_000, 525_600, "365-00:00:00"),
    ] {
        let limit = TimeLimit::parse(text).unwrap();
        assert_eq!((limit.seconds(), limit.minutes()), (Some(seconds), Some(minutes)), "{text}");
        assert_eq!(limit.to_string(), printed, "{text}");
    }
    for text in ["UNLIMITED", "unlimited", "INFINITE", "infinite", "-1", "4294967295"] {
        let limit = TimeLimit::parse(text).unwrap();
        assert_eq!((limit, limit.seconds(), limit.minutes()), (TimeLimit::Unlimited, None, None), "{text}");
        assert_eq!(limit.to_string(), "UNLIMITED");
    }
    assert_eq!(TimeLimit::parse("0").unwrap().or_unlimited(), TimeLimit::Unlimited);
    assert_eq!(TimeLimit::parse("1").unwrap().or_unlimited(), TimeLimit::Seconds(60));
    assert_eq!(TimeLimit::from_minutes(u32::MAX), TimeLimit::Unlimited);
    assert_eq!(TimeLimit::from_minutes(GREATEST_MINUTES).minutes(), Some(GREATEST_MINUTES));
}

#[test]
fn what_is_no_limit_is_refused() {
    for text in [
        "",
        " 10",
        "10 ",
        "abc",
        "1-2-3",
        "10:30:40:50",
        "1:2:x",
        "+5",
        "-5",
        "1-2:",
        ":10",
        "10:",
        "1-1-1",
        "infinitex",
        "-",
        "1.5",
        "4294967294",
        "5000000000",
        "99999999999999999999",
        "1-99999999999999999999",
        "9999999999999999-0",
        "１",
    ] {
        let error = TimeLimit::parse(text).unwrap_err();
        assert!(error.to_string().contains("D-HH:MM"), "{text}");
    }
}

#[test]
fn points_are_those_of_sbatch() {
    for (text, expected) in [
        ("now", "2026-11-22T07:51:30"),
        ("NOW", "2026-11-22T07:51:30"),
        ("now+0", "2026-11-22T07:51:30"),
        ("now+60", "2026-11-22T07:52:30"),
        ("now+1second", "2026-11-22T07:51:31"),
        ("now+1minute", "2026-11-22T07:52:30"),
        ("now+90seconds", "2026-11-22T07:53:00"),
        ("now+1hours", "2026-11-22T08:51:30"),
        ("now+1HOURS", "2026-11-22T08:51:30"),
        ("now +1hour", "2026-11-22T08:51:30"),
        ("now + 5 minutes", "2026-11-22T07:56:30"),
        ("now+2days", "2026-11-24T07:51:30"),
        ("now+1week", "2026-11-29T07:51:30"),
        ("now-1hour", "2026-11-22T06:51:30"),
        ("today", "2026-11-22T00:00:00"),
        ("tomorrow", "2026-11-23T00:00:00"),
        ("midnight", "2026-11-23T00:00:00"),
        ("noon", "2026-11-22T12:00:00"),
        ("fika", "2026-11-22T15:00:00"),
        ("teatime", "2026-11-22T16:00:00"),
        ("noon tomorrow", "2026-11-23T12:00:00"),
        ("tomorrow noon", "2026-11-23T12:00:00"),
        ("midnight tomorrow", "2026-11-23T00:00:00"),
        ("today 05:00", "2026-11-22T05:00:00"),
        ("16:00", "2026-11-22T16:00:00"),
        ("16:00:30", "2026-11-22T16:00:30"),
        ("9:05", "2026-11-22T09:05:00"),
        ("05:00", "2026-11-23T05:00:00"),
        ("4:30pm", "2026-11-22T16:30:00"),
        ("4:30 pm", "2026-11-22T16:30:00"),
        ("5:00:10PM", "2026-11-22T17:00:10"),
        ("4:30am", "2026-11-23T04:30:00"),
        ("12:30am", "2026-11-23T00:30:00"),
        ("12:30pm", "2026-11-22T12:30:00"),
        ("0:30am", "2026-11-23T00:30:00"),
        ("010125", "2025-01-01T00:00:00"),
        ("112226", "2026-11-22T00:00:00"),
        ("0102", "2027-01-02T00:00:00"),
        ("0120 10:00", "2027-01-20T10:00:00"),
        ("010127-10:00", "2027-01-01T10:00:00"),
        ("01/20", "2027-01-20T00:00:00"),
        ("1/2", "2027-01-02T00:00:00"),
        ("11/22", "2027-11-22T00:00:00"),
        ("11/22 08:00", "2026-11-22T08:00:00"),
        ("01/20/27", "2027-01-20T00:00:00"),
        ("1/20/27", "2027-01-20T00:00:00"),
        ("01.20.27", "2027-01-20T00:00:00"),
        ("01/20/99", "2099-01-20T00:00:00"),
        ("01/20/27-10:30", "2027-01-20T10:30:00"),
        ("01/20/27-10:30:15", "2027-01-20T10:30:15"),
        ("01/20-noon", "2027-01-20T12:00:00"),
        ("01/20T10:00", "2027-01-20T10:00:00"),
        ("01/20 10:00", "2027-01-20T10:00:00"),
        ("05:00 01/20", "2027-01-20T05:00:00"),
        ("4:30pm 01/20", "2027-01-20T16:30:00"),
        ("02/29", "2028-02-29T00:00:00"),
        ("2027-01-20", "2027-01-20T00:00:00"),
        ("2020-01-01", "2020-01-01T00:00:00"),
        ("2027-01-20T12:34", "2027-01-20T12:34:00"),
        ("2027-01-20T12:34:56", "2027-01-20T12:34:56"),
        ("2027-01-20 12:34:56", "2027-01-20T12:34:56"),
        ("2027-01-20-10:00", "2027-01-20T10:00:00"),
        ("2027-01-20Tnoon", "2027-01-20T12:00:00"),
        ("2027-01-20 noon", "2027-01-20T12:00:00"),
        ("1700000000", "2023-11-14T22:13:20"),
        ("uts1700000000", "2023-11-14T22:13:20"),
        ("uts5", "1970-01-01T00:00:05"),
        ("0", "1970-01-01T00:00:00"),
    ] {
        assert_eq!(point(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_point_is_refused() {
    for text in [
        "",
        " ",
        "garbage",
        "elevenses",
        "now+",
        "now-",
        "now+5foo",
        "now+5min",
        "now+1.5hours",
        "now+1hour+2minutes",
        "nowhere",
        "now 05:00",
        "now+-5",
        "uts",
        "uts-5",
        "12",
        "11226",
        "1234567",
        "4pm",
        "4 pm",
        "pm",
        "12am",
        "13:00pm",
        "13pm",
        "24:00",
        "25:00",
        "12:60",
        "9:5",
        "009:05",
        "10:00:00:00",
        "2027-02-30",
        "2027-1-2",
        "2027-01-20T1",
        "2027-01-20T",
        "2027-01-20T09:05Z",
        "2027-01-20T09:05+01:00",
        "2027/01/20",
        "01/20/2027",
        "20.01.27",
        "13/01",
        "00/10",
        "01/32",
        "02/30",
        "1/2/3",
        "T",
        "today+1day",
        "noon+1hour",
        "tomorrow 1hour",
        "noon noon",
        "01/20 01/21",
        "today tomorrow",
        "Jan 20",
        "2027-01-20Tnow",
        "é7-01-20T10:00",
        "2027-é1-20T10",
        "１２:00",
    ] {
        assert!(matches!(point(text), Err(PointError::Form(_))), "{text}: {:?}", point(text));
    }
    for text in ["now+999999999999", "99999999999999", "uts99999999999999999999"] {
        assert!(matches!(point(text), Err(PointError::Range(_))), "{text}: {:?}", point(text));
    }
    assert!(matches!(point("now+99999999999999999999"), Err(PointError::Form(_))));
    assert!(matches!(point("now+9223372036854775807weeks"), Err(PointError::Form(_))));
}

#[test]
fn days_and_hours_are_those_of_the_zone() {
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let at = |text: &str, now: &str| parse_point(text, now.parse().unwrap(), &berlin).unwrap().to_string();
    assert_eq!(at("16:00", "2026-11-22T07:51:30Z"), "2026-11-22T15:00:00Z");
    assert_eq!(at("today", "2026-07-01T23:30:00Z"), "2026-07-01T22:00:00Z");
    assert_eq!(at("now+1day", "2026-03-28T12:00:00Z"), "2026-03-29T12:00:00Z");
    assert_eq!(at("tomorrow 12:00", "2026-03-28T11:00:00Z"), "2026-03-29T10:00:00Z");
    assert_eq!(at("2026-03-29T02:30", "2026-03-28T11:00:00Z"), "2026-03-29T01:30:00Z", "an hour that is skipped");
    assert_eq!(point_text("2026-07-01T23:30:00Z".parse().unwrap(), &berlin), "2026-07-02T01:30:00");
}

proptest! {
    #[test]
    fn limits_read_back(seconds in 0_u64..=u64::from(GREATEST_MINUTES) * 60) {
        let limit = TimeLimit::Seconds(seconds);
        prop_assert_eq!(TimeLimit::parse(&limit.to_string()), Ok(limit));
    }

    #[test]
    fn points_read_back(seconds in 0_i64..4_102_444_800) {
        let time = Timestamp::from_second(seconds).unwrap();
        prop_assert_eq!(parse_point(&point_text(time, &TimeZone::UTC), now(), &TimeZone::UTC), Ok(time));
        prop_assert_eq!(parse_point(&format!("uts{seconds}"), now(), &TimeZone::UTC), Ok(time));
    }

    #[test]
    fn a_time_of_day_is_the_next_one(hour in 0..24, minute in 0..60) {
        let time = parse_point(&format!("{hour:02}:{minute:02}"), now(), &TimeZone::UTC).unwrap();
        prop_assert!((0..86_400).contains(&(time.as_second() - now().as_second())));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        let _ = (TimeLimit::parse(&text), point(&text));
    }

    #[test]
    fn hostile_text_is_read_or_refused(text in "(now|today|noon|uts)?[0-9:/.+ tTapm-]{0,24}", seconds in any::<i32>()) {
        let _ = TimeLimit::parse(&text);
        let _ = parse_point(&text, Timestamp::from_second(i64::from(seconds) * 100).unwrap(), &TimeZone::UTC);
        let _ = parse_point(&text, Timestamp::MAX, &TimeZone::UTC);
        let _ = parse_point(&text, Timestamp::MIN, &TimeZone::UTC);
    }
}
