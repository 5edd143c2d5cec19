//! The configuration language against the real ZConfig.

mod corpus;
mod differences;
mod differential;
mod generate;
mod limits;
mod reference;
mod schemas;
mod values;
mod verdict;
