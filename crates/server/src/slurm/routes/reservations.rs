//! Reservations.

use jobgate_slurm::cluster::Listed;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{ConfQuery, ReservationDesc, ReservationModReq, ReservationModResp, ReservationResp};
use jobgate_slurm::table::Time;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::{Failure, Followed};
use super::nodes::{stamp, unchanged};

/// What is shown of a time that was not given.
const UNSAID: u64 = 0xffff_fffe;
const LIST: &str = "_parse_resv_desc_list";
const UNREAD: &str = "Rejecting request. Failure parsing parameters";
const NONE: &str = "No reservation descriptions specified in reservations array";

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
    let stamp = stamp(call, Listed::Reservations, query.update_time).map_err(&failed)?;
    if unchanged(query.update_time, stamp) {
        return Ok(Reply::not_modified());
    }
    let mut reservations = call.cluster().reservations().map_err(failed)?;
    if let Some(name) = name {
        let none_at_all = reservations.is_empty();
        reservations.retain(|reservation| reservation.name.as_deref() == Some(name));
        if reservations.is_empty() && !none_at_all && call.real().is_some() && call.follows() >= Followed::V26_05 {
            // where there are others, it says so
            let words = format!("Unable to find reservation {name}");
            return Err(Failure::new(Errno::REST_INVALID_QUERY, "_get_single_reservation", words));
        }
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
    let desc: ReservationDesc = call.read_body_for("_parse_resv_desc", UNREAD)?;
    apply(call, vec![desc])
}

/// `POST /slurm/V/reservations`
pub(super) fn update_many(call: &mut Call) -> Outcome {
    let request: ReservationModReq = call.read_body_for(LIST, UNREAD)?;
    match request.reservations {
        Some(descs) => {
            if descs.is_empty() {
                call.warn(LIST, NONE);
            }
            apply(call, descs)
        }
        None => Err(Failure::new(Errno::REST_INVALID_QUERY, LIST, NONE)),
    }
}

fn apply(call: &mut Call, descs: Vec<ReservationDesc>) -> Outcome {
    let mut failure: Option<Failure> = None;
    let mut done = Vec::new();
    for mut desc in descs {
        match one(call, &desc) {
            Ok(name) => {
                desc.name = Some(name);
                for time in [&mut desc.start_time, &mut desc.end_time] {
                    time.get_or_insert(Time::at(UNSAID));
                }
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
    let all =
        call.cluster().reservations().map_err(failed("slurm_load_reservations()", "Unable to query reservations"))?;
    let is_there = all.iter().any(|one| one.name.as_deref() == Some(name));
    let (source, words) = if is_there {
        ("slurm_update_reservation", format!("Error updating reservation {name}"))
    } else {
        ("slurm_create_reservation", format!("Error creating reservation  {name}"))
    };
    call.administrators_only(source, &words)?;
    if !is_there && call.real().is_some() && desc.start_time.is_none() {
        let words = "A start time must be given.  No reservation created.";
        return Err(Failure::new(Errno::INVALID_RESERVATION, "validate_resv_create_desc", words));
    }
    call.cluster().update_reservation(desc).map_err(|fault| Failure::of(&fault, source, &words))
}

/// `DELETE /slurm/V/reservation/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    let name = call.path_name();
    let words = format!("Error deleting reservation {name}");
    call.administrators_only("slurm_delete_reservation", &words)?;
    call.cluster().delete_reservation(&name).map_err(failed("slurm_delete_reservation", &words))?;
    Ok(call.done())
}
