//! What is written into PostgreSQL: the same tables as in files.

use postgres::Transaction;

use super::DatabaseError;
use super::postgres::Postgres;
use super::processes::{Entered, NewProcess, Process, ProcessStatus, read_processes};
use super::written::{DetailsRow, Drawn, StatusRow};

const STATUS: &str = "CREATE TABLE IF NOT EXISTS public.experiment_status (exp_id SERIAL PRIMARY KEY, name TEXT NOT NULL, \
status TEXT NOT NULL, seconds_diff INTEGER NOT NULL, modified TEXT NOT NULL)";
const DETAILS: &str = "CREATE TABLE IF NOT EXISTS public.details (exp_id SERIAL PRIMARY KEY, \"user\" TEXT NOT NULL, \
created TEXT NOT NULL, model TEXT NOT NULL, branch TEXT NOT NULL, hpc TEXT NOT NULL)";
const EXPERIMENT: &str = "CREATE TABLE IF NOT EXISTS public.experiment (id SERIAL PRIMARY KEY, name VARCHAR NOT NULL, \
description VARCHAR NOT NULL, autosubmit_version VARCHAR)";
const PROCESSES: &str = "CREATE TABLE IF NOT EXISTS public.runner_processes (id SERIAL PRIMARY KEY, expid TEXT NOT NULL, \
pid INTEGER NOT NULL, status VARCHAR(50) NOT NULL, runner VARCHAR(50) NOT NULL, module_loader VARCHAR(50) NOT NULL, \
modules TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL, runner_extra_params TEXT)";
const PREFERENCES: &str = "CREATE TABLE IF NOT EXISTS public.user_preferences (user_id TEXT PRIMARY KEY, \
preferred_username TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL)";

type Changed = Result<(), postgres::Error>;

/// Numbers of experiments are four bytes there.
fn number(id: i64) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}

pub(crate) fn prepare(server: &Postgres) -> Result<(), DatabaseError> {
    server.change(|transaction| transaction.batch_execute(&[EXPERIMENT, DETAILS, STATUS].join(";")))
}

pub(crate) fn write_statuses(server: &Postgres, forget: &[i64], rows: &[StatusRow]) -> Result<(), DatabaseError> {
    server.change(|transaction| {
        transaction.batch_execute(STATUS)?;
        for id in forget.iter().copied().chain(rows.iter().map(|row| row.id)) {
            transaction.execute("DELETE FROM public.experiment_status WHERE exp_id = $1", &[&number(id)])?;
        }
        for row in rows {
            let insert = "INSERT INTO public.experiment_status (exp_id, name, status, seconds_diff, modified) \
                          VALUES ($1, $2, $3, 0, $4)";
            transaction.execute(insert, &[&number(row.id), &row.name, &row.status(), &row.modified])?;
        }
        Ok(())
    })
}

pub(crate) fn write_details(server: &Postgres, rows: &[DetailsRow]) -> Result<(), DatabaseError> {
    server.change(|transaction| {
        transaction.batch_execute(DETAILS)?;
        for row in rows {
            transaction.execute("DELETE FROM public.details WHERE exp_id = $1", &[&number(row.id)])?;
            let insert = "INSERT INTO public.details (exp_id, \"user\", created, model, branch, hpc) \
                          VALUES ($1, $2, $3, $4, $5, $6)";
            let id = number(row.id);
            transaction.execute(insert, &[&id, &row.user, &row.created, &row.model, &row.branch, &row.hpc])?;
        }
        Ok(())
    })
}

/// `schema` is an expid, and so nothing but a name.
pub(crate) fn write_drawing(server: &Postgres, schema: &str, drawn: &[Drawn]) -> Result<(), DatabaseError> {
    server.change(|transaction| {
        transaction.batch_execute(&format!(
            "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; CREATE TABLE IF NOT EXISTS \"{schema}\".experiment_graph_draw \
             (id SERIAL PRIMARY KEY, job_name TEXT NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL); \
             DELETE FROM \"{schema}\".experiment_graph_draw"
        ))?;
        let insert = format!("INSERT INTO \"{schema}\".experiment_graph_draw (job_name, x, y) VALUES ($1, $2, $3)");
        let insert = transaction.prepare(&insert)?;
        for Drawn { job, x, y } in drawn {
            transaction.execute(&insert, &[job, &number(*x), &number(*y)])?;
        }
        Ok(())
    })
}

pub(crate) fn set_preference(server: &Postgres, user: &str, preferred: &str, now: &str) -> Result<(), DatabaseError> {
    server.change(|transaction| {
        transaction.batch_execute(PREFERENCES)?;
        let upsert = "INSERT INTO public.user_preferences VALUES ($1, $2, $3, $3) ON CONFLICT (user_id) \
                      DO UPDATE SET preferred_username = excluded.preferred_username, modified = excluded.modified";
        transaction.execute(upsert, &[&user, &preferred, &now]).map(drop)
    })
}

pub(crate) fn enter_process(server: &Postgres, new: &NewProcess, now: &str) -> Result<Entered, DatabaseError> {
    let entered = server.change(|transaction| {
        transaction.batch_execute(PROCESSES)?;
        transaction.batch_execute("LOCK TABLE public.runner_processes IN SHARE ROW EXCLUSIVE MODE")?;
        let active = "SELECT 1 FROM public.runner_processes WHERE expid = $1 AND status = 'ACTIVE' LIMIT 1";
        if transaction.query_opt(active, &[&new.expid])?.is_some() {
            return Ok(None);
        }
        let insert = "INSERT INTO public.runner_processes (expid, pid, status, runner, module_loader, modules, created, \
                      modified, runner_extra_params) VALUES ($1, 0, 'ACTIVE', $2, $3, $4, $5, $5, $6) RETURNING id";
        let extra = &new.runner_extra_params;
        let row = transaction.query_one(
            insert,
            &[&new.expid, &new.runner, &new.module_loader, &new.modules, &now, extra],
        )?;
        Ok(Some(i64::from(row.try_get::<_, i32>(0)?)))
    })?;
    if let Some(id) = entered {
        return Ok(Entered::Row(id));
    }
    let rest = "WHERE expid = ?1 AND status = 'ACTIVE' ORDER BY id LIMIT 1";
    let active: Vec<Process> =
        read_processes(super::Source::Schema(server, "public"), rest, &[new.expid.as_str().into()])?;
    let gone = || DatabaseError::Server { what: "the process ended just now; try again".into() };
    active.into_iter().next().map(|active| Entered::Active(Box::new(active))).ok_or_else(gone)
}

pub(crate) fn start_process(server: &Postgres, id: i64, pid: i64, now: &str) -> Result<(), DatabaseError> {
    server.change(|transaction: &mut Transaction<'_>| -> Changed {
        let change = "UPDATE public.runner_processes SET pid = $2, modified = $3 WHERE id = $1";
        transaction.execute(change, &[&number(id), &number(pid), &now]).map(drop)
    })
}

pub(crate) fn end_process(server: &Postgres, id: i64, status: ProcessStatus, now: &str) -> Result<(), DatabaseError> {
    server.change(|transaction: &mut Transaction<'_>| -> Changed {
        let change =
            "UPDATE public.runner_processes SET status = $2, modified = $3 WHERE id = $1 AND status = 'ACTIVE'";
        transaction.execute(change, &[&number(id), &status.name(), &now]).map(drop)
    })
}
