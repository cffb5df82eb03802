//! Linux: the only system calls of the library, each of which is in the list of `call`. Nothing here knows what a RAM
//! block is.

mod asked;
mod backing;
mod before;
mod call;
mod eventfd;
pub(crate) mod file;
mod file_mapping;
mod huge_pages;
mod in_place;
#[cfg(feature = "fault-injection")]
pub mod injection;
mod mapped_file;
mod mapping;
mod maps;
mod numa;
mod poll;
mod populate;
mod probe;
mod replacement;
mod smaps;
mod text_writer;
mod thread;
mod uapi;
mod userfaultfd;

pub(crate) use asked::{Asked, asked_for};
pub(crate) use eventfd::EventFd;
pub(crate) use file_mapping::FileMapping;
pub(crate) use huge_pages::want_huge_pages;
pub(crate) use in_place::{PageMap, ask_again, can_map_privately, map_file_in_place, map_zeros_in_place, read_ahead};
pub(crate) use mapped_file::MappedFile;
pub use mapping::page_size;
pub(crate) use mapping::{HUGE_PAGE, Mapping, empty_memory, is_born_locked, is_locked, is_mapped, is_present};
pub(crate) use maps::{Maps, most_mappings};
pub(crate) use numa::Numa;
pub(crate) use poll::{Poll, Readiness};
pub(crate) use populate::populate;
pub use probe::{Host, probe};
pub(crate) use replacement::Replacement;
pub(crate) use text_writer::TextWriter;
pub(crate) use thread::{CpuSet, Uncancelable, affinity, set_own_affinity, shares_its_cpu, spawn_scoped};
// Models have threads of their own.
#[cfg(not(all(test, shuttle)))]
pub(crate) use thread::spawn;
pub use userfaultfd::SharedMessage;
pub(crate) use userfaultfd::{Abilities, BATCH, Message, Opening, Placed, Userfaultfd, set_blocking, wake};
