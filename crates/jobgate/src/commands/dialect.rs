//! What of Slurm's dialect is served, as slurmrestd's options say it.

use anyhow::bail;
use jobgate_slurm::openapi;
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::version::Version;

use crate::cli::slurm::Dialect;
use crate::config::slurm::{self, SlurmConfig};
use crate::printer::Printer;

/// What is asked for to see what there is.
pub(super) const LIST: &str = "list";

/// Flags of data parsers that change nothing here: answers are rendered fast, and documents refer to schemas, in any case.
const IDLE_FLAGS: [&str; 5] = ["none", "fast", "prefer_refs", "minimize_refs", "spec_only"];

/// Prints what there is, if that is what was asked for.
pub(super) fn list(dialect: &Dialect, printer: &mut Printer) -> anyhow::Result<bool> {
    let asks = |names: &[String]| names.iter().any(|name| name == LIST);
    if asks(&dialect.data_parser) {
        for version in Version::ALL {
            printer.line(format_args!("data_parser/{version}"))?;
        }
    }
    if asks(&dialect.plugins) {
        for plugin in Plugin::ALL {
            printer.line(format_args!("openapi/{}", plugin.name()))?;
        }
    }
    Ok(asks(&dialect.data_parser) || asks(&dialect.plugins))
}

/// Has the options win over the configuration.
pub(super) fn choose(dialect: &Dialect, config: &mut SlurmConfig, printer: &mut Printer) -> anyhow::Result<()> {
    if !dialect.data_parser.is_empty() {
        let mut names = Vec::new();
        for named in &dialect.data_parser {
            let (name, idle) = without_flags(named)?;
            if !idle.is_empty() {
                printer.note(format_args!("unknown flags of data parser {named:?} are ignored: {}", idle.join(", ")));
            }
            names.push(name.to_owned());
        }
        config.data_parsers = slurm::data_parsers(Some(&names))?;
    }
    if !dialect.plugins.is_empty() {
        config.plugins = slurm::plugins(Some(&dialect.plugins))?;
    }
    Ok(())
}

/// Prints the API's description of itself.
pub(super) fn describe(config: &SlurmConfig, printer: &mut Printer) -> anyhow::Result<()> {
    Ok(printer.json(&openapi::document(&config.data_parsers, &config.plugins))?)
}

/// The name of a data parser such as `v0.0.45+fast`, and those of its flags that nobody knows.
fn without_flags(text: &str) -> anyhow::Result<(&str, Vec<&str>)> {
    let mut parts = text.split('+');
    let name = parts.next().unwrap_or_default();
    let unknown: Vec<&str> = parts.filter(|flag| !flag.is_empty() && !IDLE_FLAGS.contains(flag)).collect();
    if unknown.contains(&"complex") {
        bail!(
            "the flag `complex` of data parser {text:?} is refused: its answers are not JSON (they have the word Infinity); \
             leave it out"
        );
    }
    Ok((name, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_data_parsers() {
        assert_eq!(without_flags("v0.0.45").unwrap(), ("v0.0.45", vec![]));
        assert_eq!(without_flags("v0.0.45+fast+bogus").unwrap(), ("v0.0.45", vec!["bogus"]));
        assert!(without_flags("v0.0.45+complex").unwrap_err().to_string().contains("Infinity"));
    }
}
