//! How protocol 0 writes numbers and texts: one line each, ended by a newline.

use super::Why;

/// What `I` is followed by: an integer, or `00` and `01` for the booleans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Bool(bool),
    Int(i64),
    /// More than 64 bits
    Long,
}

pub(super) fn whole(line: &[u8]) -> Result<Whole, Why> {
    match line {
        b"00" => Ok(Whole::Bool(false)),
        b"01" => Ok(Whole::Bool(true)),
        _ => long(line),
    }
}

/// What `L` is followed by: an integer with an optional `L` at its end.
pub(super) fn long(line: &[u8]) -> Result<Whole, Why> {
    let malformed = Why::Literal("an integer");
    let line = line.strip_suffix(b"L").unwrap_or(line).trim_ascii();
    let digits = line.strip_prefix(b"-").unwrap_or(line);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed);
    }
    let text = std::str::from_utf8(line).map_err(|_| malformed)?;
    Ok(text.parse().map_or(Whole::Long, Whole::Int))
}

pub(super) fn float(line: &[u8]) -> Result<f64, Why> {
    let text = std::str::from_utf8(line).map_err(|_| Why::Literal("a float"))?;
    text.trim().parse().map_err(|_| Why::Literal("a float"))
}

/// What `S` is followed by: Python's `repr` of a byte string, here taken as latin-1.
pub(super) fn quoted(line: &[u8]) -> Result<String, Why> {
    let malformed = Why::Literal("a quoted text");
    let line = line.trim_ascii();
    let (Some(&open), Some(&close)) = (line.first(), line.last()) else { return Err(malformed) };
    if line.len() < 2 || open != close || !matches!(open, b'\'' | b'"') {
        return Err(malformed);
    }
    let mut bytes = line[1..line.len() - 1].iter().copied().peekable();
    let mut text = String::with_capacity(line.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(char::from(byte));
            continue;
        }
        match bytes.next().ok_or_else(|| malformed.clone())? {
            b'n' => text.push('\n'),
            b't' => text.push('\t'),
            b'r' => text.push('\r'),
            b'a' => text.push('\u{7}'),
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'v' => text.push('\u{b}'),
            b'x' => {
                let digits =
                    [bytes.next(), bytes.next()].map(|digit| digit.and_then(|byte| char::from(byte).to_digit(16)));
                let [Some(high), Some(low)] = digits else { return Err(malformed) };
                text.push(char::from((high * 16 + low) as u8));
            }
            first @ b'0'..=b'7' => {
                let mut code = u32::from(first - b'0');
                for _ in 0..2 {
                    let Some(digit) = bytes.next_if(|byte| matches!(byte, b'0'..=b'7')) else { break };
                    code = code * 8 + u32::from(digit - b'0');
                }
                text.push(char::from((code & 0xff) as u8));
            }
            other @ (b'\\' | b'\'' | b'"') => text.push(char::from(other)),
            other => text.extend(['\\', char::from(other)]),
        }
    }
    Ok(text)
}

/// What `V` is followed by: `raw-unicode-escape`, that is latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn escaped(line: &[u8]) -> Result<String, Why> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let length = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(byte));
                rest = after;
                continue;
            }
        };
        let digits = after.get(1..=length).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(Why::Literal("a text"))?;
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &after[1 + length..];
    }
    Ok(text)
}
