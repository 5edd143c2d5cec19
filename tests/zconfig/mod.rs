//! The configuration language against the real ZConfig.

mod corpus;
mod differences;
mod verdict;
