//! The whole server in one process.
