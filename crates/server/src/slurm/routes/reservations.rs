//! Reservations.

use jobgate_slurm::cluster::Listed;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{ConfQuery, ReservationDesc, ReservationModReq, ReservationModResp, ReservationResp};
use jobgate_slurm::table::Time;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::nodes::unchanged;

const CREATE: &str = "slurm_create_reservation";

/// `GET /slurm/V/reservations`
pub(super) fn list(call: &mut Call) -> Outcome {
    query(call, None)
}

/// `GET /slurm/V/reservation/NAME`
pub(super) fn show(call: &mut Call) -> Outcome {
    let name = call.path_name();
    query(call, Some(&name))
}

fn query(call: &mut Call, name: Option<&str>) -> Outcome {
    const LOAD: &str = "slurm_load_reservations()";
    let query: ConfQuery = call.read_query("op_handler_reservations")?;
    let failed = failed(LOAD, "Unable to query reservations");
    let stamp = call.cluster().stamp(Listed::Reservations).map_err(&failed)?;
    if unchanged(query.update_time, stamp) {
        return Ok(Reply::not_modified());
    }
    let mut reservations = call.cluster().reservations().map_err(failed)?;
    if let Some(name) = name {
        reservations.retain(|reservation| reservation.name.as_deref() == Some(name));
        if reservations.is_empty() {
            // with this number, and as a success, as slurmrestd has it: clients look at `errors`
            call.note(Errno::NONE, LOAD, format!("Unable to query reservations: there is none named {name}"));
            return Ok(call.done());
        }
    }
    let last_update = Some(Time::at(stamp.known));
    Ok(call.answer(ReservationResp { reservations: Some(reservations), last_update, ..ReservationResp::default() }))
}

/// `POST /slurm/V/reservation`: makes it, or changes the one of that name.
pub(super) fn update(call: &mut Call) -> Outcome {
    let desc: ReservationDesc = call.read_body()?;
    apply(call, vec![desc])
}

/// `POST /slurm/V/reservations`
pub(super) fn update_many(call: &mut Call) -> Outcome {
    let request: ReservationModReq = call.read_body()?;
    apply(call, request.reservations.unwrap_or_default())
}

fn apply(call: &mut Call, descs: Vec<ReservationDesc>) -> Outcome {
    let mut failure: Option<Failure> = None;
    let mut done = Vec::new();
    for mut desc in descs {
        match one(call, &desc) {
            Ok(name) => {
                desc.name = Some(name);
                done.push(desc);
            }
            Err(mut next) => match &mut failure {
                Some(failure) => failure.problems.append(&mut next.problems),
                None => failure = Some(next),
            },
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(call.answer(ReservationModResp { reservations: Some(done), ..ReservationModResp::default() })),
    }
}

fn one(call: &Call, desc: &ReservationDesc) -> Result<String, Failure> {
    let name = desc.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::new(Errno::INVALID_RESERVATION, "_mod_reservation", "Reservation must be given."));
    }
    let words = format!("Error creating reservation  {name}");
    call.administrators_only(CREATE, &words)?;
    call.cluster().update_reservation(desc).map_err(|fault| Failure::of(&fault, CREATE, &words))
}

/// `DELETE /slurm/V/reservation/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    let name = call.path_name();
    let words = format!("Error deleting reservation {name}");
    call.administrators_only("slurm_delete_reservation", &words)?;
    call.cluster().delete_reservation(&name).map_err(failed("slurm_delete_reservation", &words))?;
    Ok(call.done())
}
