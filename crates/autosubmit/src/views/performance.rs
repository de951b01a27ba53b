//! How fast an experiment simulates: simulated years per day, core hours and joules per simulated year.

use serde::Serialize;
use serde_json::{Value, json};

use super::facts::Facts;
use crate::config::{Factor, PlatformFacts};
use crate::databases::history::Run;
use crate::jobs::Job;
use crate::status::JobStatus;
use crate::texts::round;

/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// Joules of a megawatt hour.
const MEGAWATT_HOUR: f64 = 3.6e9;

/// The metrics of an experiment.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Performance {
    #[serde(rename = "SY")]
    pub sy: Value,
    #[serde(rename = "SYPD")]
    pub sypd: Value,
    #[serde(rename = "ASYPD")]
    pub asypd: Value,
    #[serde(rename = "RSYPD")]
    pub rsypd: Value,
    #[serde(rename = "CHSY")]
    pub chsy: Value,
    #[serde(rename = "JPSY")]
    pub jpsy: Value,
    #[serde(rename = "Parallelization")]
    pub parallelization: i64,
    #[serde(rename = "Total_energy")]
    pub total_energy: Value,
    #[serde(rename = "Total_footprint")]
    pub total_footprint: f64,
    pub platform_info: Value,
    pub considered: Vec<Measured>,
    pub not_considered: Vec<Measured>,
    pub warnings_job_data: Vec<String>,
}

/// The metrics of one SIM job.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Measured {
    pub name: String,
    pub queue: i64,
    pub running: i64,
    #[serde(rename = "CHSY")]
    pub chsy: f64,
    #[serde(rename = "SYPD")]
    pub sypd: f64,
    #[serde(rename = "ASYPD")]
    pub asypd: f64,
    #[serde(rename = "JPSY")]
    pub jpsy: f64,
    pub energy: Value,
    pub yps: f64,
    pub ncpus: i64,
    pub chunk: Option<i64>,
    pub footprint: f64,
}

/// Measures an experiment by its completed SIM jobs.
pub fn performance(facts: &Facts<'_>) -> Performance {
    let platform = facts.snapshot.configuration.platform_facts("SIM");
    let ncpus = facts.snapshot.configuration.processing("SIM").elements();
    let sims = completed(facts, "SIM");
    let mut warnings = platform_warnings(&platform);
    if sims.is_empty() {
        warnings.push("We couldn't find COMPLETED SIM jobs in the experiment.".to_owned());
    }
    let runs: Vec<f64> = sims.iter().map(|place| facts.times[*place].run as f64).collect();
    let kept = without_outliers(&runs);
    let (kept, others): (Vec<_>, Vec<_>) = sims.into_iter().zip(kept).partition(|(_, kept)| *kept);
    let kept: Vec<usize> = kept.into_iter().map(|(place, _)| place).collect();
    let others: Vec<usize> = others.into_iter().map(|(place, _)| place).collect();
    let measured =
        |places: &[usize], post| places.iter().map(|place| measure(facts, *place, ncpus, &platform, post)).collect();
    // what is left out is also left alone by POST
    let (considered, not_considered): (Vec<Measured>, Vec<Measured>) =
        (measured(&kept, facts.post), measured(&others, 0.0));
    warnings.extend(others.iter().map(|place| left_out(facts, *place)));
    if completed(facts, "POST").is_empty() {
        warnings.push("We couldn't find COMPLETED POST jobs in the experiment. ASYPD can't be calculated.".to_owned());
    }
    let years: f64 = considered.iter().map(|job| job.yps).sum();
    let run: i64 = considered.iter().map(|job| job.running).sum();
    let queue: i64 = considered.iter().map(|job| job.queue).sum();
    let energies: Vec<f64> = considered.iter().map(|job| job.energy.as_f64().unwrap_or(0.0)).collect();
    let energy: f64 = energies.iter().sum();
    let with_energy = energies.iter().filter(|energy| **energy > 0.0).count();
    let delivered = delivery(facts, &kept, &mut warnings);
    let rate = |seconds: f64| if seconds > 0.0 { number(round(years * DAY / seconds, 4), run > 0) } else { json!(0) };
    let mean = |sum: f64, count: usize| if count > 0 { number(round(sum / count as f64, 4), true) } else { json!(0) };
    Performance {
        sy: number(years, !considered.is_empty()),
        sypd: rate(run as f64),
        asypd: if run > 0 { rate((run + queue) as f64 + facts.post) } else { json!(0) },
        rsypd: if considered.is_empty() { json!(0) } else { rate(delivered as f64) },
        chsy: mean(considered.iter().map(|job| job.chsy).sum(), considered.len()),
        jpsy: mean(considered.iter().map(|job| job.jpsy).sum(), with_energy),
        parallelization: ncpus,
        total_energy: whole(energy),
        total_footprint: footprint(energy, &platform),
        platform_info: json!({
            "name": platform.name, "CF": platform.carbon.value(), "PUE": platform.effectiveness.value(),
        }),
        considered,
        not_considered,
        warnings_job_data: warnings,
    }
}

/// A float, or the number 0 where there is nothing to measure.
fn number(value: f64, measured: bool) -> Value {
    if measured { json!(value) } else { json!(0) }
}

/// A float without a fraction as an integer.
fn whole(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn completed(facts: &Facts<'_>, section: &str) -> Vec<usize> {
    let wanted = |job: &Job| job.section.as_deref() == Some(section) && job.status == JobStatus::Completed;
    facts.snapshot.jobs.jobs().iter().enumerate().filter(|(_, job)| wanted(job)).map(|(place, _)| place).collect()
}

fn platform_warnings(platform: &PlatformFacts) -> Vec<String> {
    if platform.name.is_empty() {
        return vec!["The platform could not be obtained; therefore the footprint will be 0.".to_owned()];
    }
    let factors = [("CF", platform.carbon), ("PUE", platform.effectiveness)];
    let warning = |(what, factor)| {
        let wrong = match factor {
            Factor::Known(_) => return None,
            Factor::Unknown => "could not be obtained",
            Factor::Odd => "value is not a valid number",
        };
        Some(format!("The {what} for platform {} {wrong}; therefore the footprint will be 0.", platform.name))
    };
    factors.into_iter().filter_map(warning).collect()
}

fn footprint(energy: f64, platform: &PlatformFacts) -> f64 {
    energy / MEGAWATT_HOUR * platform.carbon.value() * platform.effectiveness.value()
}

/// What the original says of each job that is left out, whatever the reason.
fn left_out(facts: &Facts<'_>, place: usize) -> String {
    let (name, package) = (&facts.snapshot.jobs.jobs()[place].name, facts.package(place).unwrap_or("No Package"));
    format!(
        "Considered | Job {name} (Package {package}) has no energy information and is not going to be considered for energy \
         calculations."
    )
}

/// `post`: how long POST waits and runs, seconds.
fn measure(facts: &Facts<'_>, place: usize, ncpus: i64, platform: &PlatformFacts, post: f64) -> Measured {
    let (job, times) = (&facts.snapshot.jobs.jobs()[place], &facts.times[place]);
    // a run that does not tell how long its chunks are counts as the configuration does
    let run = times.run_id.and_then(|run| facts.snapshot.history.run(run));
    let of_run = run.and_then(Run::chunk_length).map_or(0.0, |length| length.years());
    let yps = if of_run > 0.0 { of_run } else { facts.chunk_length.years() };
    let splits = job.splits.filter(|splits| *splits > 1).unwrap_or(1) as f64;
    let (run, energy) = (times.run as f64, times.energy.trunc());
    let per = |value: f64, by: f64| if by > 0.0 { round(value / by, 2) } else { 0.0 };
    Measured {
        name: job.name.clone(),
        queue: times.queue,
        running: times.run,
        chsy: if yps > 0.0 { round(ncpus as f64 * run / yps / 3600.0, 2) } else { 0.0 },
        sypd: if run > 0.0 { round(yps * DAY / run / splits, 2) } else { 0.0 },
        asypd: per(yps * DAY / splits, times.queue as f64 + run + post),
        jpsy: per(energy, yps),
        energy: whole(energy),
        yps,
        ncpus,
        chunk: job.chunk,
        footprint: footprint(energy, platform),
    }
}

/// Seconds from the start of the first SIM job that counts until the last result was delivered.
fn delivery(facts: &Facts<'_>, sims: &[usize], warnings: &mut Vec<String>) -> i64 {
    let transfers = completed(facts, "TRANSFER");
    let delivering = if transfers.is_empty() { completed(facts, "CLEAN") } else { transfers.clone() };
    if delivering.is_empty() {
        let text =
            "RSYPD | There are no TRANSFER nor CLEAN (COMPLETED) jobs in the experiment, RSYPD cannot be computed.";
        warnings.push(text.to_owned());
    } else if transfers.is_empty() {
        let text = "RSYPD | There are no TRANSFER (COMPLETED) jobs in the experiment. We will use (COMPLETED) CLEAN jobs to compute RSYPD.";
        warnings.push(text.to_owned());
    }
    match (sims.first(), delivering.last()) {
        (Some(first), Some(last)) => facts.times[*last].finish - facts.times[*first].start,
        _ => 0,
    }
}

/// Which of several run times are no outliers: those above 0 whose modified z-score is at most 7.
pub fn without_outliers(runs: &[f64]) -> Vec<bool> {
    const FARTHEST: f64 = 7.0;
    let positive: Vec<f64> = runs.iter().copied().filter(|run| *run > 0.0).collect();
    let scale = if positive.len() <= 1 {
        None
    } else {
        let middle = median(&positive);
        let distances: Vec<f64> = positive.iter().map(|run| (run - middle).abs()).collect();
        let mean = positive.iter().sum::<f64>() / positive.len() as f64;
        let from_mean = positive.iter().map(|run| (run - mean).abs()).sum::<f64>() / positive.len() as f64;
        let scale = if median(&distances) > 0.0 { 1.4826 * median(&distances) } else { 1.2533 * from_mean };
        (scale > 0.0).then_some((middle, scale))
    };
    let near = |run: f64| scale.is_none_or(|(middle, scale)| ((run - middle) / scale).abs() <= FARTHEST);
    runs.iter().map(|run| *run > 0.0 && near(*run)).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(half)) {
        (1, Some(middle)) => *middle,
        (_, Some(upper)) => f64::midpoint(sorted[half - 1], *upper),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::without_outliers;

    #[test]
    fn outliers_are_far_from_the_middle() {
        assert_eq!(without_outliers(&[]), [] as [bool; 0]);
        assert_eq!(without_outliers(&[0.0, 5.0]), [false, true]);
        assert_eq!(without_outliers(&[5.0, 5.0, 5.0]), [true; 3]);
        assert_eq!(without_outliers(&[10.0, 11.0, 12.0, 13.0, 1000.0]), [true, true, true, true, false]);
        // the distances' middle is 0, so their mean counts: (1000 - 5) / (1.2533 * 180.9...) is below 7
        assert_eq!(without_outliers(&[5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 1000.0]), [true; 10]);
    }
}
