# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU 10.0."""

from .common import Edits


class Qemu100(Edits):
    replaced_functions = ["get_vcpu_blocktime_list", "get_mem_fault_cpu_index", "get_low_time_offset"]
    preempt_thread_runs = "qemu_sem_post(&mis->thread_sync_sem);"

    def blocktime(self, source):
        source.remove_if("ufd_check_and_apply", "if (migrate_postcopy_blocktime()) {")

    def savevm(self, source):
        super().savevm(source)
        source.after_line("loadvm_postcopy_handle_listen", "if (postcopy_ram_incoming_setup(mis)) {",
                          "            uffd_glue_report_setup();\n")

    def state_loaded(self):
        return ("ret = qemu_loadvm_state(mis->from_src_file);", "    ret = uffd_glue_state_loaded(mis, ret, NULL);\n")

    def options(self, source):
        super().options(source)
        incoming_file = "runstate_check(RUN_STATE_INMIGRATE) && new_caps[MIGRATION_CAPABILITY_MAPPED_RAM]"
        source.condition_of('"Postcopy is not yet compatible with multifd"',
                            "new_caps[MIGRATION_CAPABILITY_MULTIFD]",
                            f"new_caps[MIGRATION_CAPABILITY_MULTIFD] &&\n            !({incoming_file})")
