//! Amounts with Slurm's units, which are powers of 1024.

const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

/// An amount of memory in MiB: `4000`, `4000M` and `4000MB` are 4000, `4G` is 4096, `1500K` is 2 (rounded up). `None` for what is
/// no amount, fractions and signs included.
pub fn memory(text: &str) -> Option<u64> {
    let (number, power) = split(text)?;
    match power {
        None => Some(number),
        Some(0) => Some(number.div_ceil(1024)),
        Some(power) => scale(number, power - 1),
    }
}

/// A plain count: `4`, or `1K` for 1024. `None` for what is no count.
pub fn count(text: &str) -> Option<u64> {
    let (number, power) = split(text)?;
    scale(number, power.map_or(0, |power| power + 1))
}

/// An amount of memory in MiB as Slurm prints it: with the greatest unit that keeps it whole, `4000M`, `4G`; zero is `0`.
pub fn memory_text(mebibytes: u64) -> String {
    if mebibytes == 0 {
        return "0".to_owned();
    }
    let (mut amount, mut unit) = (mebibytes, 1);
    while amount % 1024 == 0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024, unit + 1);
    }
    format!("{amount}{}", UNITS[unit])
}

/// A number and the index of its unit in [`UNITS`].
fn split(text: &str) -> Option<(u64, Option<usize>)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok()?;
    let unit = text[digits..].to_ascii_uppercase();
    if unit.is_empty() {
        return Some((number, None));
    }
    let power =
        UNITS.iter().position(|known| unit.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest == "B"))?;
    Some((number, Some(power)))
}

fn scale(number: u64, power: usize) -> Option<u64> {
    number.checked_mul(1024_u64.checked_pow(u32::try_from(power).ok()?)?)
}
