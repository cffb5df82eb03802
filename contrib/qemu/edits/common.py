# SPDX-License-Identifier: GPL-2.0-or-later
"""What is edited in every version of QEMU."""


class Edits:
    """The edits of a version; what differs from one to the next is a field or a method that the version overrides."""

    # Functions of migration/postcopy-ram.c that the glue or the library replaces, beside those of every version.
    replaced_functions = []
    # The line with which postcopy_preempt_thread() tells that it has started. The library starts it, so the line goes.
    preempt_thread_runs = ""

    def files(self):
        return {
            "migration/postcopy-ram.c": self.postcopy_ram,
            "migration/postcopy-ram.h": self.postcopy_ram_header,
            "migration/savevm.c": self.savevm,
            "migration/migration.c": self.migration,
            "migration/migration-hmp-cmds.c": self.commands,
            "migration/ram.c": self.ram,
            "migration/file.c": self.file,
            "migration/options.c": self.options,
            "hw/virtio/vhost-user.c": self.vhost_user,
            "subprojects/libvhost-user/libvhost-user.c": self.libvhost_user,
            "monitor/qmp.c": self.monitor,
            "qapi/migration.json": self.schema,
            "migration/trace-events": self.trace_events,
        }

    def postcopy_ram(self, source):
        source.include("postcopy-ram.h")
        source.remove_block("typedef struct PostcopyBlocktimeContext {", "} PostcopyBlocktimeContext;")
        self.blocktime(source)
        replaced = [
            "destroy_blocktime_context", "migration_exit_cb", "blocktime_context_new",
            "fill_destination_postcopy_migration_info", "get_postcopy_total_blocktime", "cleanup_range",
            "postcopy_temp_pages_cleanup", "postcopy_ram_incoming_cleanup", "ram_block_enable_notify",
            "postcopy_wake_shared", "postcopy_request_page", "postcopy_request_shared_page",
            "mark_postcopy_blocktime_begin", "mark_postcopy_blocktime_end", "postcopy_pause_fault_thread",
            "postcopy_ram_fault_thread", "postcopy_temp_pages_setup", "postcopy_ram_incoming_setup",
            "qemu_ufd_copy_ioctl", "postcopy_notify_shared_wake", "postcopy_place_page", "postcopy_place_page_zero",
            "postcopy_fault_thread_notify", "postcopy_register_shared_ufd", "postcopy_unregister_shared_ufd",
        ]
        for name in replaced + self.replaced_functions:
            source.remove_function(name)
        # A fork may have merged the series that splits postcopy_ram_incoming_setup().
        while source.has_function("uffd_setup_incoming"):
            source.remove_function("uffd_setup_incoming")
        source.lacks(r"\bPostcopyPageHandler\b")
        source.before_line("postcopy_ram_prepare_discard", "postcopy_state_set(POSTCOPY_INCOMING_DISCARD);",
                           "    if (uffd_glue_configure(mis)) {\n        return -1;\n    }\n\n")
        # The library starts this thread and registers it with RCU. The thread reads pending pages even if it starts late.
        source.remove_line("postcopy_preempt_thread", self.preempt_thread_runs)
        source.remove_line("postcopy_preempt_thread", "rcu_register_thread();")
        source.remove_line("postcopy_preempt_thread", "rcu_unregister_thread();")
        source.replace("postcopy_preempt_thread", "while (preempt_thread_should_run(mis)) {", "while (true) {")
        source.replace("postcopy_preempt_thread", "ram_load_postcopy(", "uffd_glue_load_urgent(")

    def blocktime(self, source):
        raise NotImplementedError

    def postcopy_ram_header(self, source):
        """Removes a fork's own declarations of what the library's header declares."""
        source.remove_declaration(r"typedef int \(?\*?PostcopyPageHandler\b")
        source.remove_declaration(r"(?:extern |static )?int uffd_setup_incoming\(")
        source.lacks(r"\b(?:PostcopyPageHandler|uffd_setup_incoming)\b")

    def savevm(self, source):
        source.include("postcopy-ram.h")
        source.before_line("postcopy_pause_incoming", "/* Take the mutex to make sure the fast ram load thread halted */",
                           "        uffd_glue_before_channel_closes();\n")
        source.before_line("configuration_validate_capabilities", "ret = false;",
                           "            uffd_glue_capability_differs(i, source_state);\n")
        for function in ["qmp_snapshot_load", "load_snapshot", "qmp_xen_load_devices_state"]:
            command = "xen-load-devices-state" if "xen" in function else "snapshot-load"
            source.at_start(function, f"""    if (uffd_glue_refuses("{command}", errp)) {{
        return{' false' if function == 'load_snapshot' else ''};
    }}

""")
        source.replace("loadvm_postcopy_handle_resume", "qemu_sem_post(&mis->postcopy_pause_sem_fault);",
                       "uffd_glue_resume(mis);")

    def migration(self, source):
        source.include("postcopy-ram.h")
        source.after_line("migration_object_init", "current_incoming->exit_on_error =",
                          "    uffd_glue_attach(current_incoming);\n")
        source.after_line("process_incoming_migration_co", *self.state_loaded())
        source.after_line("process_incoming_migration_bh", '"dst-precopy-bh-enter"', "    uffd_glue_before_start(mis);\n")
        source.after_line("process_incoming_migration_bh", '"dst-precopy-bh-vm-started"',
                          "    if (uffd_glue_completes(mis)) {\n        return;\n    }\n")
        source.before_line("qmp_migrate_recover", "/* If there's an existing transport",
                           "    if (uffd_glue_recover(mis)) {\n        return;\n    }\n\n")
        source.before_line("migration_incoming_state_destroy", "qemu_loadvm_state_cleanup(mis);",
                           "    uffd_glue_forget(mis);\n")
        source.after_line("fill_destination_migration_info", "info->status = mis->state;", "    uffd_glue_fill_info(info);\n")
        source.before_line("qmp_query_migrate", "MigrationInfo *info = g_malloc0(sizeof(*info));",
                           "    MigrationInfo *info;\n\n"
                           "    /* Out of band: the main thread may be waiting for RAM. */\n"
                           "    if (!bql_locked()) {\n        return uffd_glue_query();\n    }\n")
        source.replace("qmp_query_migrate", "MigrationInfo *info = g_malloc0(sizeof(*info));",
                       "info = g_malloc0(sizeof(*info));")

    def state_loaded(self):
        """Returns the call that loads the device state, and the lines to insert behind it."""
        raise NotImplementedError

    def ram(self, source):
        source.include("postcopy-ram.h")
        source.replace("parse_ramblock_mapped_ram", "if (!read_ramblock_mapped_ram(",
                       "if (!uffd_glue_is_lazy() && !read_ramblock_mapped_ram(")
        source.after_line("ram_load_precopy", "ret = parse_ramblocks(f, addr);",
                          "            if (!ret) {\n                ret = uffd_glue_load_ram(mis);\n            }\n")

    def file(self, source):
        source.include("file.h")
        source.after_line("file_start_incoming_migration", "trace_migration_file_incoming(filename);",
                          "    uffd_glue_stream_starts_at(offset);\n")

    def commands(self, source):
        source.include("monitor/monitor.h", "")
        source.before_line("hmp_loadvm", "vm_stop(RUN_STATE_RESTORE_VM);",
                           """    if (uffd_glue_refuses("loadvm", &err)) {
        hmp_handle_error(mon, err);
        return;
    }
""")

    def options(self, source):
        source.include("migration.h")
        source.replace("qmp_migrate_set_capabilities", "if (migration_is_running() ||",
                       "if (migration_is_running() || uffd_glue_is_loading() ||\n       ")
        source.condition_of('"Mapped-ram migration is incompatible with postcopy"',
                            "new_caps[MIGRATION_CAPABILITY_POSTCOPY_RAM]",
                            "new_caps[MIGRATION_CAPABILITY_POSTCOPY_RAM] &&\n            !runstate_check(RUN_STATE_INMIGRATE)")

    def vhost_user(self, source):
        source.include("migration/postcopy-ram.h", "migration/")
        # Such a back end was not told that RAM is incomplete, and would turn missing pages into zeros.
        source.after_line("vhost_user_backend_init", "dev->opaque = u;",
                          """
    if (uffd_glue_refuses("connecting a vhost-user back end", errp)) {
        return -EBUSY;
    }
""")
        source.before_line("vhost_user_postcopy_end", "trace_vhost_user_postcopy_end_entry();",
                           "    if (!u->postcopy_fd.handler) {\n        return 0;\n    }\n\n")

    def libvhost_user(self, source):
        source.lacks(r"vmsg->payload\.memory = m;")
        # Without these fixes, a back end takes part in no postcopy, not even with plain QEMU. It must answer with its own
        # addresses, not with those that QEMU sent.
        source.before_line("vu_add_mem_reg", 'DPRINT("Successfully added new region in postcopy\\n");',
                           "        vmsg->payload.memreg.region = m;\n")
        source.before_line("vu_set_mem_table_exec", "if (!vu_send_reply(dev, dev->sock, vmsg)) {",
                           "        vmsg->payload.memory = m;\n")
        # QEMU acknowledges the addresses of memory slots with a message that has neither a descriptor nor a region. It must
        # not be rejected as malformed.
        first, last = source.function("vu_add_mem_reg")
        at = source.line_of(source.find("* If we are in postcopy mode and we receive a u64 payload", first, last))
        start = at - len("    /*\n")
        end = source.text.find("\n    }\n\n", at, last) + len("\n    }\n\n")
        if source.text[start:at] != "    /*\n" or end < at:
            source.fail("the check for a u64 payload in vu_add_mem_reg() is not understood")
        check = source.text[start:end]
        source.cut(start, end)
        source.at_start("vu_add_mem_reg", check)

    def monitor(self, source):
        # Weak: programs other than QEMU have monitors, too.
        start, _ = source.function("handle_qmp_command")
        source.put(start, "void __attribute__((weak)) uffd_glue_command_queued(const char *command);\n\n")
        source.before_line("handle_qmp_command", "req_obj = g_new0(QMPRequest, 1);",
                           """    if (qdict && uffd_glue_command_queued) {
        uffd_glue_command_queued(qdict_get_try_str(qdict, "execute"));
    }

""")

    def schema(self, source):
        command = "{ 'command': 'query-migrate', 'returns': 'MigrationInfo' }"
        at = source.find(command)
        source.cut(at, at + len(command))
        source.put(at, "{ 'command': 'query-migrate', 'returns': 'MigrationInfo',\n  'allow-oob': true }")

    def trace_events(self, source):
        source.text += """
# uffd-incoming-glue.c
uffd_load_begin(const char *version) "fast snapshot load begins, uffd-incoming %s"
uffd_load_guest_runs(int64_t ms) "after %" PRId64 " ms"
uffd_load_paused(void) "a page of RAM cannot be read"
uffd_load_resumed(void) ""
uffd_load_complete(int64_t ms, uint64_t faults, uint64_t pages, uint64_t zeros) "after %" PRId64 " ms: faults %" PRIu64 ", pages placed %" PRIu64 ", zero pages %" PRIu64
"""
