//! Reservations.

use super::accounting::Tres;
use super::words;
use crate::table::{Flags, Num, Time, object};

object! {
    /// A reservation.
    Reservation = "reservation_info" {
        accounts: String;
        burst_buffer: String;
        core_count: i32;
        core_specializations: Vec<ReservationCoreSpec> => named("reservation_info_core_spec");
        end_time: Time;
        features: String;
        flags: Flags<words::ReservationFlags>;
        groups: String;
        licenses: String;
        max_start_delay: i32;
        name: String;
        node_count: i32;
        node_list: String;
        partition: String;
        purge_completed_time: Num<u32> = "purge_completed/time";
        start_time: Time;
        tres: String;
        users: String;
        watts: Num<u32> => until(44) deprecated(41, 45) undescribed(40, 40);
    }

    /// `reservation_core_spec` of the API.
    ReservationCoreSpec = "reservation_core_spec" {
        node: String;
        core: String;
    }

    /// A reservation to be made or changed.
    ReservationDesc = "reservation_desc_msg" {
        accounts: Vec<String> => since(43) named("csv_string");
        burst_buffer: String => since(43);
        comment: String => since(43);
        core_count: Num<u32> => since(43);
        duration: Num<u32> => since(43);
        end_time: Time => since(43);
        features: String => since(43);
        flags: Flags<words::ReservationDescFlags> => since(43);
        groups: Vec<String> => since(43) named("csv_string");
        licenses: Vec<String> => since(43) named("csv_string");
        max_start_delay: Num<u32> => since(43);
        name: String => since(43);
        node_count: Num<u32> => since(43);
        node_list: Vec<String> => since(43) named("hostlist_string");
        partition: String => since(43);
        purge_completed_time: Num<u32> = "purge_completed/time" => since(43);
        start_time: Time => since(43);
        tres: Vec<Tres> => since(43) named("tres_list");
        users: Vec<String> => since(43) named("csv_string");
    }

    /// `reservation_mod_req` of the API.
    ReservationModReq = "reservation_mod_req" {
        reservations: Vec<ReservationDesc> => since(43) named("reservation_desc_msg_list");
    }
}
