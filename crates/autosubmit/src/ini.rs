//! INI files as Python's `configparser` reads them: names of options keep their case, `[DEFAULT]` is inherited by all sections,
//! lines that start with `;` or `#` are comments, deeper indented lines continue a value, `%(name)s` is replaced.

use std::cell::Cell;

use thiserror::Error;

/// Why a file is no INI file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IniError {
    /// An option stands before the first section.
    #[error("line {0}: an option before the first [section]")]
    NoSection(usize),
    /// A line is neither a section, an option nor a comment.
    #[error("line {0}: neither `[section]` nor `option = value`")]
    Line(usize),
    /// What all sections inherit makes too much of it.
    #[error("its sections inherit more than can be")]
    Large,
}

/// The sections of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ini {
    defaults: Vec<(String, String)>,
    sections: Vec<(String, Vec<(String, String)>)>,
}

/// How deep replacements may refer to each other, as in Python.
const DEEPEST: usize = 10;
/// How many replacements one value may need.
const MOST: usize = 1000;
/// How many bytes replacements may add to one value, or to all values of a file that are looked at together.
const ADDED: usize = 16 << 20;
/// How many bytes all sections may inherit together.
const INHERITED: usize = 64 << 20;

/// The bytes that replacements may still add to the values of a file.
#[derive(Debug)]
pub struct Replacements(Cell<usize>);

impl Default for Replacements {
    fn default() -> Self {
        Self(Cell::new(ADDED))
    }
}

/// What may still be replaced in a value.
struct Left<'a> {
    count: Cell<usize>,
    bytes: &'a Replacements,
}

impl<'a> Left<'a> {
    fn of(bytes: &'a Replacements) -> Self {
        Self { count: Cell::new(MOST), bytes }
    }

    /// Takes a replacement of so many bytes, if there may be one.
    fn take(&self, bytes: usize) -> bool {
        let (count, left) = (self.count.get().checked_sub(1), self.bytes.0.get().checked_sub(bytes));
        let Some((count, left)) = count.zip(left) else { return false };
        self.count.set(count);
        self.bytes.0.set(left);
        true
    }
}

impl Ini {
    /// Reads a file. Of two values for the same option the later counts; two sections of the same name are one.
    pub fn parse(text: &str) -> Result<Self, IniError> {
        let mut ini = Self::default();
        let mut section: Option<usize> = None;
        let mut in_defaults = false;
        let mut indentation = 0;
        let mut open = false;
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let indented = line.len() - line.trim_start().len();
            let options = if in_defaults { Some(&mut ini.defaults) } else { section.map(|at| &mut ini.sections[at].1) };
            if open && indented > indentation {
                if let Some((_, value)) = options.and_then(|options| options.last_mut()) {
                    value.push('\n');
                    value.push_str(trimmed);
                }
                continue;
            }
            indentation = indented;
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
                in_defaults = name == "DEFAULT";
                section = (!in_defaults).then(|| ini.place(name));
                open = false;
                continue;
            }
            let Some(options) = options else { return Err(IniError::NoSection(number + 1)) };
            let (name, value) = trimmed.split_once(['=', ':']).ok_or(IniError::Line(number + 1))?;
            if name.trim().is_empty() {
                return Err(IniError::Line(number + 1));
            }
            // the last one is the one that following lines continue
            options.retain(|(known, _)| known != name.trim());
            options.push((name.trim().to_owned(), value.trim().to_owned()));
            open = true;
        }
        let inherited: usize = ini.defaults.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        if inherited.saturating_mul(ini.sections.len()) > INHERITED {
            return Err(IniError::Large);
        }
        Ok(ini)
    }

    /// The value of an option, with the defaults and with replacements made.
    pub fn get(&self, section: &str, option: &str) -> Option<String> {
        let options = self.options(section);
        let bytes = Replacements::default();
        self.raw(options, option).map(|value| self.replaced(options, value, DEEPEST, &Left::of(&bytes)))
    }

    /// Names of the sections, without `DEFAULT`.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is such a section.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections().any(|name| name == section)
    }

    /// All options of a section, first its own and then what it inherits, with replacements made as far as there is room.
    pub fn resolved(&self, section: &str, left: &Replacements) -> Vec<(String, String)> {
        let options = self.options(section);
        let inherited = self.defaults.iter().filter(|(name, _)| !options.iter().any(|(own, _)| own == name));
        let all = options.iter().chain(inherited);
        all.map(|(name, value)| (name.clone(), self.replaced(options, value, DEEPEST, &Left::of(left)))).collect()
    }

    fn place(&mut self, name: &str) -> usize {
        self.sections.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.sections.push((name.to_owned(), Vec::new()));
            self.sections.len() - 1
        })
    }

    fn options(&self, section: &str) -> &[(String, String)] {
        self.sections.iter().find(|(name, _)| name == section).map_or(&[], |(_, options)| options.as_slice())
    }

    fn raw<'a>(&'a self, options: &'a [(String, String)], option: &str) -> Option<&'a str> {
        let mut all = options.iter().chain(&self.defaults);
        all.find(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// What cannot be replaced stays as it is.
    fn replaced(&self, options: &[(String, String)], value: &str, depth: usize, left: &Left<'_>) -> String {
        let mut result = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            result.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('%') {
                result.push('%');
                rest = after;
                continue;
            }
            let reference = rest.strip_prefix('(').and_then(|inner| inner.split_once(")s"));
            match reference.and_then(|(name, after)| Some((self.raw(options, name)?, after))) {
                Some((found, after)) if depth > 0 && left.take(found.len()) => {
                    result.push_str(&self.replaced(options, found, depth - 1, left));
                    rest = after;
                }
                _ => result.push('%'),
            }
        }
        result.push_str(rest);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "; a comment\n[DEFAULT]\nEXPID = a000\nHPCARCH=local\n\n[experiment]\nDATELIST = 2000 2001\n# no\n\
                           MEMBERS: fc0\n    fc1\nPATH = /data/%(EXPID)s/%(HPCARCH)s 100%% %(nope)s\nexpid = other\n[empty]\n";

    #[test]
    fn options_keep_their_case_and_inherit() {
        let ini = Ini::parse(EXAMPLE).unwrap();
        let get = |section: &str, option: &str| ini.get(section, option);
        assert_eq!(get("experiment", "DATELIST").as_deref(), Some("2000 2001"));
        assert_eq!(get("experiment", "MEMBERS").as_deref(), Some("fc0\nfc1"));
        assert_eq!(get("experiment", "EXPID").as_deref(), Some("a000"));
        assert_eq!(get("experiment", "expid").as_deref(), Some("other"));
        assert_eq!(get("experiment", "PATH").as_deref(), Some("/data/a000/local 100% %(nope)s"));
        assert_eq!(get("experiment", "datelist"), None);
        assert_eq!(get("nowhere", "EXPID").as_deref(), Some("a000"));
        assert_eq!(ini.sections().collect::<Vec<_>>(), ["experiment", "empty"]);
        assert_eq!(
            ini.resolved("empty", &Replacements::default()),
            [("EXPID".into(), "a000".into()), ("HPCARCH".into(), "local".into())]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Ini::parse("a = 1\n"), Err(IniError::NoSection(1)));
        assert_eq!(Ini::parse("[a]\nb\n"), Err(IniError::Line(2)));
        assert_eq!(Ini::parse("[a]\n= 1\n"), Err(IniError::Line(2)));
        assert_eq!(Ini::parse(""), Ok(Ini::default()));
    }

    #[test]
    fn replacements_end() {
        let ini = Ini::parse("[a]\nx = %(x)s%(x)s\ny = %(z)s\nz = %(y)s\n").unwrap();
        assert!(ini.get("a", "x").unwrap().len() <= 10 * MOST);
        assert!(ini.get("a", "y").unwrap().contains('%'));
    }

    #[test]
    fn a_small_file_stays_small() {
        let long = "l".repeat(1 << 20);
        let many = "%(x)s".repeat(500);
        let ini = Ini::parse(&format!("[a]\nx = {long}\ny = {many}\nz = {many}\n")).unwrap();
        assert!(ini.get("a", "y").unwrap().len() < 2 * ADDED);
        let all: usize = ini.resolved("a", &Replacements::default()).iter().map(|(_, value)| value.len()).sum();
        assert!(all < 2 * ADDED, "{all}");
        let sections = (0..1000).map(|number| format!("[{number}]\n")).collect::<Vec<_>>().concat();
        assert_eq!(Ini::parse(&format!("[DEFAULT]\nx = {long}\n{sections}")), Err(IniError::Large));
    }
}
