mod backends;
mod codings;
mod connections;
mod files;
mod routes;
mod running;
mod support;
mod tls;
