//! Every row of the endpoint list answers; the documents are what the server does; the seed's samples fit.

mod bodies;
mod callers;
mod documents;
mod list;
mod pages;
mod routes;
mod seed;
mod shape;
