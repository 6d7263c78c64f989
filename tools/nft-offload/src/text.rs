// SPDX-License-Identifier: GPL-2.0

//! Text for a terminal: short numbers and times, the names of errors, wrapped lines.

/// Escapes the control characters of untrusted text, which could move the cursor.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Quotes a word for a shell, if it needs quotes.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The errors of netlink and of drivers.
const ERRORS: &[(u32, &str, &str)] = &[
    (1, "EPERM", "operation not permitted"),
    (2, "ENOENT", "no such entry"),
    (4, "EINTR", "interrupted"),
    (5, "EIO", "input/output error"),
    (6, "ENXIO", "no such device or address"),
    (7, "E2BIG", "too long"),
    (11, "EAGAIN", "try again"),
    (12, "ENOMEM", "out of memory"),
    (13, "EACCES", "permission denied"),
    (16, "EBUSY", "busy"),
    (17, "EEXIST", "already exists"),
    (19, "ENODEV", "no such device"),
    (22, "EINVAL", "invalid argument"),
    (23, "ENFILE", "table overflow"),
    (28, "ENOSPC", "no space left"),
    (34, "ERANGE", "out of range"),
    (61, "ENODATA", "no data"),
    (71, "EPROTO", "protocol error"),
    (75, "EOVERFLOW", "value too large"),
    (90, "EMSGSIZE", "message too long"),
    (93, "EPROTONOSUPPORT", "protocol not supported"),
    (95, "EOPNOTSUPP", "not supported"),
    (97, "EAFNOSUPPORT", "family not supported"),
    (105, "ENOBUFS", "no buffer space"),
    (110, "ETIMEDOUT", "timed out"),
    (524, "ENOTSUPP", "not supported"),
];

/// Returns the name of an error: `EOPNOTSUPP`, or `error 99`.
pub fn error_name(errno: u32) -> String {
    match ERRORS.iter().find(|e| e.0 == errno) {
        Some(e) => e.1.to_owned(),
        None => format!("error {errno}"),
    }
}

/// Returns the meaning of an error.
pub fn error_words(errno: u32) -> String {
    match ERRORS.iter().find(|e| e.0 == errno) {
        Some(e) => e.2.to_owned(),
        None => format!("error {errno}"),
    }
}

/// Formats a number in at most five characters: `1234`, `12.3k`, `4.5G`.
pub fn count(n: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if n < 10_000 {
        return n.to_string();
    }
    let mut tenths = n / 100;
    for unit in UNITS {
        if tenths < 1000 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        if tenths < 10_000 {
            return format!("{}{unit}", tenths / 10);
        }
        tenths /= 1000;
    }
    n.to_string()
}

/// Formats a number with its noun: `0 flows`, `1 flow`.
pub fn plural(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", count(n)),
    }
}

/// Returns a time in its largest unit that is not too coarse, with the short and the long unit.
fn unit_of_time(ms: u64) -> (u64, &'static str, &'static str) {
    match ms / 1000 {
        s @ 0..=119 => (s, "s", "s"),
        s @ 120..=7199 => (s / 60, "m", "min"),
        s @ 7200..=172_799 => (s / 3600, "h", "h"),
        s => (s / 86400, "d", "days"),
    }
}

/// Formats a time for a table: `12s`, `3m`, `5h`, `9d`.
pub fn short_time(ms: u64) -> String {
    let (n, unit, _) = unit_of_time(ms);
    format!("{n}{unit}")
}

/// Formats a time for a sentence: `0.4 s`, `12 s`, `3 min`, `5 h`, `9 days`.
pub fn time(ms: u64) -> String {
    if ms < 1000 {
        return format!("0.{} s", ms / 100);
    }
    let (n, _, unit) = unit_of_time(ms);
    format!("{n} {unit}")
}

/// Breaks text at spaces into lines of at most `width` characters; without a width, not at all.
pub fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            let long = line.chars().count() + 1 + word.chars().count();
            if line.is_empty() {
                line.push_str(word);
            } else if long <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
    }
    lines
}

/// Cuts text to `width` characters, with an ellipsis at its end.
pub fn cut(text: &str, width: Option<usize>) -> String {
    let long = |width: &usize| text.chars().count() > *width;
    match width.filter(long) {
        Some(width) => {
            let part: String = text.chars().take(width.saturating_sub(1)).collect();
            let end = if width == 0 { "" } else { "\u{2026}" };
            format!("{}{end}", part.trim_end())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0, "0"),
            (9999, "9999"),
            (10_000, "10.0k"),
            (123_456, "123k"),
            (999_999, "999k"),
            (1_000_000, "1.0M"),
            (4_500_000_000, "4.5G"),
            (u64::MAX, "18.4E"),
        ];
        for (n, text) in cases {
            assert_eq!(count(n), text);
        }
        assert_eq!(plural(1, "flow"), "1 flow");
        assert_eq!(plural(0, "flow"), "0 flows");
    }

    #[test]
    fn times() {
        assert_eq!(time(430), "0.4 s");
        assert_eq!(time(12_900), "12 s");
        assert_eq!(short_time(180_000), "3m");
        assert_eq!(time(3 * 86_400_000), "3 days");
    }

    #[test]
    fn shell_words_are_quoted() {
        assert_eq!(
            shell_word("/etc/modprobe.d/a-b_1.conf"),
            "/etc/modprobe.d/a-b_1.conf"
        );
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's;"), "'it'\\''s;'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn errors_have_names() {
        assert_eq!(error_name(95), "EOPNOTSUPP");
        assert_eq!(error_name(4000), "error 4000");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(clean("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }

    proptest! {
        #[test]
        fn no_line_is_too_long(words in proptest::collection::vec("[a-z]{1,20}", 0..30), width in 20usize..100) {
            let text = words.join(" ");
            let lines = wrap(&text, Some(width));
            prop_assert!(lines.iter().all(|l| l.len() <= width));
            prop_assert_eq!(lines.join(" "), text);
        }

        #[test]
        fn counts_are_at_most_five_long(n in any::<u64>()) {
            prop_assert!(count(n).len() <= 5);
        }
    }
}
