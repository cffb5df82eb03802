# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU 10.2: blocktime in nanoseconds, the set-up called from postcopy-ram.c, errors handed up."""

from .common import Edits


class Qemu102(Edits):
    replaced_functions = [
        "blocktime_vcpu_entry_alloc", "blocktime_vcpu_list_free", "blocktime_init_tid_to_vcpu_hash", "blocktime_get_vcpu",
        "get_current_ns", "blocktime_fault_inject", "blocktime_latency_account", "blocktime_cpu_list_iter_fn",
    ]
    preempt_thread_runs = "qemu_event_set(&mis->thread_sync_event);"

    def blocktime(self, source):
        source.remove_block("#define  BLOCKTIME_LATENCY_BUCKET_N", "#define  BLOCKTIME_LATENCY_BUCKET_N")
        for name in ["BlocktimeVCPUEntry", "BlockTimeVCPUIter"]:
            end = source.find(f"}} {name};\n")
            start = source.text.rfind("typedef struct {\n", 0, end)
            if start < 0 or "}" in source.text[start:end - 1]:
                source.fail(f"the type {name} is not understood")
            source.cut(start, source.next_line(end))

    def postcopy_ram(self, source):
        super().postcopy_ram(source)
        source.after_line("postcopy_incoming_setup", "if (postcopy_ram_incoming_setup(mis)) {",
                          "            uffd_glue_report_setup();\n")

    def state_loaded(self):
        return ("ret = qemu_loadvm_state(mis->from_src_file, &local_err);",
                "    ret = uffd_glue_state_loaded(mis, ret, &local_err);\n")
