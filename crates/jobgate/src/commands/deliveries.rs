//! `jobgate deliveries` and `jobgate deliveries retry ID`

use jobgate_engine::Delivery;
use serde_json::{Value, json};

use crate::cli::{Deliveries, DeliveryAction, Options, Output};
use crate::exit::Exit;
use crate::gateway;
use crate::printer::Printer;
use crate::selector;
use crate::table::{shown, without_password};
use crate::wiring::Session;

pub(crate) fn run(args: &Deliveries, printer: &mut Printer) -> anyhow::Result<Exit> {
    match &args.action {
        Some(DeliveryAction::Retry { id, options }) => retry(*id, options, printer),
        None => list(args, printer),
    }
}

fn list(args: &Deliveries, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let job = args.stamp.as_deref().map(|text| selector::one(&session, text)).transpose()?;
    let deliveries = session.engine.deliveries(&session.who, job.map(|job| job.key), args.limit)?;
    match args.format.output {
        Output::Json => printer.json(&deliveries.iter().map(json).collect::<Vec<_>>())?,
        Output::Text => {
            printer.line(HEADER)?;
            for delivery in &deliveries {
                printer.line(row(delivery))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// Makes a delivery due and, when no gateway does it, tries it here.
fn retry(id: i64, options: &Options, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(options)?;
    session.engine.retry_delivery(&session.who, id)?;
    let all = session.engine.deliveries(&session.who, None, u64::MAX)?;
    if let Some(delivery) = all.into_iter().find(|delivery| delivery.id == id) {
        let job = selector::one(&session, delivery.jobid.as_str())?;
        if gateway::tell(&session.config.state_dir, &job.base) {
            printer.line(format_args!("Retrying {id}"))?;
            return Ok(Exit::Ok);
        }
        super::deliver(&session, printer, &job);
        let after = session.engine.deliveries(&session.who, Some(job.key), u64::MAX)?;
        if let Some(delivery) = after.iter().find(|delivery| delivery.id == id) {
            printer.line(HEADER)?;
            printer.line(row(delivery))?;
        }
    }
    Ok(Exit::Ok)
}

const HEADER: &str = "    id jobid           jobndx state      status    attempts url (last answer)";

fn row(delivery: &Delivery) -> String {
    let last = delivery.last.as_deref().map(|last| format!(" ({})", shown(last))).unwrap_or_default();
    format!(
        "{:>6} {:<15} {:>6} {:<10} {:<9} {:>8} {}{last}",
        delivery.id,
        delivery.jobid.as_str(),
        delivery.jobndx,
        delivery.state.as_str(),
        delivery.status.as_str(),
        delivery.attempts,
        shown(&without_password(&delivery.url))
    )
}

fn json(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id, "jobid": delivery.jobid.as_str(), "jobndx": delivery.jobndx, "state": delivery.state.as_str(),
        "url": without_password(&delivery.url), "status": delivery.status.as_str(), "attempts": delivery.attempts, "next": delivery.next,
        "last": delivery.last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_engine::DeliveryStatus;
    use jobgate_model::{JobId, State};

    #[test]
    fn rows_stand_under_the_header() {
        let delivery = Delivery {
            id: 7,
            jobid: JobId::parse("1795313531.329").unwrap(),
            jobndx: 1,
            state: State::Queued,
            url: "http://h/p".into(),
            status: DeliveryStatus::Pending,
            attempts: 2,
            next: Some(5.0),
            last: Some("503".into()),
        };
        let row = row(&delivery);
        assert_eq!(row, "     7 1795313531.329       1 queued     pending          2 http://h/p (503)");
        assert_eq!(row.find("queued"), HEADER.find("state"));
        assert_eq!(row.find("http"), HEADER.find("url"));
    }
}
