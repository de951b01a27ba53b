use std::collections::HashSet;

use proptest::prelude::*;

use super::{Directive, DirectiveError, Fault, OPTIONS, Takes, by_long, by_short, directives};

/// The options of one line, as text.
fn line(options: &str) -> Result<Vec<(&'static str, Option<String>)>, Fault> {
    let found = directives(&format!("#!/bin/sh\n#SBATCH{options}\ntrue\n"));
    let pairs = |found: Vec<Directive>| found.into_iter().map(|found| (found.option, found.value)).collect();
    found.map(pairs).map_err(|error| error.fault)
}

fn shown(options: &str) -> String {
    let text = |(option, value): &(&str, Option<String>)| match value {
        Some(value) => format!("{option}={value}"),
        None => (*option).to_owned(),
    };
    line(options).unwrap().iter().map(text).collect::<Vec<_>>().join("|")
}

#[test]
fn lines_are_those_before_the_first_command() {
    let script = "#!/bin/bash\n\n# a comment\n   # another\n#SBATCH -J one\n   \n##SBATCH -J no\n #SBATCH -J no\n#sbatch -J no\n#SBATCH\n\
                  #SBATCH --job-name two\ntrue\n#SBATCH -J late\n";
    let value = |line, name: &str| Directive { option: "job-name", value: Some(name.into()), line };
    assert_eq!(directives(script), Ok(vec![value(5, "one"), value(11, "two")]));
    assert_eq!(directives("#SBATCH -J first"), Ok(vec![value(1, "first")]));
    assert_eq!(directives(""), Ok(Vec::new()));
}

#[test]
fn options_are_read_in_every_form() {
    for (text, expected) in [
        (" --time=1 --mem 4G -N2 # c", "time=1|mem=4G|nodes=2"),
        (" -n 3 -n4", "ntasks=3|ntasks=4"),
        ("\t-p\tfoo", "partition=foo"),
        ("-J x", "job-name=x"),
        (" --job-name=foo=bar", "job-name=foo=bar"),
        (" --job-name=", "job-name="),
        (" -J=foo", "job-name==foo"),
        (" -J -x", "job-name=-x"),
        (" -HJ foo", "hold|job-name=foo"),
        (" --exclusive --hold", "exclusive|hold"),
        (" --exclusive=user", "exclusive=user"),
        (" --nice -J x", "nice|job-name=x"),
        (" --nice=5", "nice=5"),
        (" -k -koff", "no-kill|no-kill=off"),
        (" -s", "oversubscribe"),
        (" --requ", "requeue"),
        (" --tasks-per-node=2 --cluster=c", "ntasks-per-node=2|clusters=c"),
        (" --time 5 --", "time=5"),
        ("", ""),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn words_are_quoted_as_in_sbatch() {
    for (text, expected) in [
        (r#" -J "a b" --comment='it s'x"#, "job-name=a b|comment=it sx"),
        (r#" -J "a b"c"#, "job-name=a bc"),
        (r#" -J"a b""#, "job-name=a b"),
        (r#" "--job-name=a b""#, "job-name=a b"),
        (r#" --job-name="a b""#, "job-name=a b"),
        (r" -J a\\b", r"job-name=a\b"),
        (r" -J 'a\\b'", r"job-name=a\b"),
        (r#" -J "a\"b""#, r#"job-name=a"b"#),
        (r" -J 'a\'b'", "job-name=a'b"),
        (r#" -J 'a"b'"#, r#"job-name=a"b"#),
        (r#" -J "a'b""#, "job-name=a'b"),
        (r" -J a\nb", "job-name=anb"),
        (r" -J a\", "job-name=a"),
        (r" -J a\#b", "job-name=a#b"),
        (" -J a#b", "job-name=a"),
        (" -J a #b", "job-name=a"),
        (r#" -J "a#b" # ""#, "job-name=a#b"),
        (" -J $(id);`x` --comment=é", "job-name=$(id);`x`|comment=é"),
        (r#" --comment "" -c 2"#, "comment=|cpus-per-task=2"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn faults_name_line_and_option() {
    for (text, fault) in [
        (" --nope", Fault::Unknown("--nope".into())),
        (" --JOB-NAME=x", Fault::Unknown("--JOB-NAME".into())),
        (" --jobname=x", Fault::Unknown("--jobname".into())),
        (" -Y", Fault::Unknown("-Y".into())),
        (" -HY", Fault::Unknown("-Y".into())),
        (" -é", Fault::Unknown("-é".into())),
        (" --help", Fault::Unknown("--help".into())),
        (" -J", Fault::NoValue("job-name")),
        (" --mem", Fault::NoValue("mem")),
        (" --hold=yes", Fault::Value("hold")),
        (" -J a extra", Fault::Stray("extra".into())),
        (" --exclusive user", Fault::Stray("user".into())),
        (" --nice 5", Fault::Stray("5".into())),
        (" -- -J x", Fault::Stray("-J".into())),
        (" -", Fault::Stray("-".into())),
        (" script.sh", Fault::Stray("script.sh".into())),
        ("X -J x", Fault::Stray("X".into())),
        (r#" -J "abc"#, Fault::Quote('"')),
        (r#" -J "a\\"b""#, Fault::Quote('"')),
        (" -J a\r", Fault::CarriageReturn),
        (" hetjob", Fault::Component("hetjob".into())),
    ] {
        assert_eq!(line(text), Err(fault), "{text}");
    }
    let Err(Fault::Ambiguous { candidates, .. }) = line(" --ex") else { panic!("ambiguous") };
    assert_eq!(candidates, "--exclude, --exclusive, --export, --export-file, --extra, --extra-node-info");
    let error: DirectiveError = directives("#!/bin/sh\n# x\n#SBATCH --mem\n").unwrap_err();
    assert_eq!(error.to_string(), "#SBATCH in line 3: `--mem` needs a value; write --mem=VALUE");
}

#[test]
fn the_table_is_sound() {
    let longs: HashSet<_> = OPTIONS.iter().map(|option| option.long).collect();
    let letters: Vec<char> = OPTIONS.iter().filter_map(|option| option.short).collect();
    assert_eq!(longs.len(), OPTIONS.len());
    assert_eq!(letters.iter().collect::<HashSet<_>>().len(), letters.len());
    assert!(OPTIONS.is_sorted_by_key(|option| option.long));
    for option in OPTIONS {
        assert_eq!(by_long(option.long), Some(option));
        assert!(option.short.is_none_or(|letter| by_short(letter) == Some(option)));
    }
    for (letter, long) in
        [('J', "job-name"), ('t', "time"), ('N', "nodes"), ('c', "cpus-per-task"), ('D', "chdir"), ('W', "wait")]
    {
        assert_eq!(by_short(letter).unwrap().long, long);
    }
}

proptest! {
    #[test]
    fn any_script_is_read_or_refused(script in "(#SBATCH[ -~\\n\\t\"'\\\\#é]{0,60}\n){0,6}.{0,40}") {
        if let Ok(found) = directives(&script) {
            prop_assert!(found.iter().all(|found| by_long(found.option).is_some()));
        }
    }

    #[test]
    fn every_option_with_a_value_keeps_it(index in 0..OPTIONS.len(), value in "[ -~é]{0,30}") {
        let option = OPTIONS[index];
        let quoted: String = value.chars().flat_map(|c| ['\\', c]).collect();
        let read = line(&format!(" --{}={quoted}", option.long));
        if option.takes == Takes::Nothing {
            prop_assert_eq!(read, Err(Fault::Value(option.long)));
        } else {
            prop_assert_eq!(read, Ok(vec![(option.long, Some(value))]));
        }
    }
}
