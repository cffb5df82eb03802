//! Working-set files, and a load from a source that is no file.

mod working_set;
