//! The configuration language against the real ZConfig.

mod corpus;
mod differences;
mod differential;
mod generate;
mod limits;
mod reference;
mod values;
mod verdict;
