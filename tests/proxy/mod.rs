mod backends;
mod codings;
mod connections;
mod files;
mod routes;
mod running;
pub(crate) mod support;
mod tls;
