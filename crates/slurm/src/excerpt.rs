//! What an error message may show of a text that others wrote.

/// The first 60 characters of `text`, with control characters escaped, so that a message stays one short line.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn messages_stay_short_and_printable() {
        assert_eq!(excerpt("n[1-3]"), "n[1-3]");
        assert_eq!(excerpt("a\n\u{1b}[2J"), "a\\n\\u{1b}[2J");
        assert_eq!(excerpt(&"x".repeat(1000)), format!("{}...", "x".repeat(60)));
    }
}
