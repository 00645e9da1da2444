//! Exercises: what is rehearsed, step by step, and how well it went.
//!
//! An [`ExerciseSpec`](spec::ExerciseSpec) is a scenario as a manifest has it. On paper, a [`Walk`](walk::Walk) shows its
//! injects when they are due and grades what people say they did. Live, a [`Drive`](drive::Drive) says which step comes
//! next and is told what came of it. Both end as a [`Run`](run::Run), which the ledger keeps; [`trend`] looks at many of
//! them, and [`report`] writes them down.
//!
//! Pure: time comes in as spans since the beginning; nothing here reads a clock, a file or a network.

pub mod check;
pub mod drive;
mod recognise;
pub mod report;
pub mod run;
pub mod shipped;
pub mod span;
pub mod spec;
pub mod trend;
pub mod walk;
