//! Tests of what loading reads and writes beside the snapshot.

mod working_set;
