//! The emulator's file: readers of its sections.

mod scheduler;
mod target;
mod tasks;
