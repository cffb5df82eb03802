[New LWP 25821]
[New LWP 26146]
[New LWP 26155]
[New LWP 26156]
[New LWP 26157]
[New LWP 26158]
[New LWP 26159]
[New LWP 26160]
[Thread debugging using libthread_db enabled]
Using host libthread_db library "/lib/x86_64-linux-gnu/libthread_db.so.1".
__futex_abstimed_wait_common64 (private=128, cancel=true, abstime=0x0, op=265, expected=26146, futex_word=0x7f4f10aee990) at ./nptl/futex-internal.c:57

Thread 9 (Thread 0x7f4f0ddf96c0 (LWP 26160) "exe"):
#0  __memcmp_evex_movbe () at ../sysdeps/x86_64/multiarch/memcmp-evex-movbe.S:152
#1  0x00005588215750c7 in holds_bytes (memory=0x55885208c638, length=4096, from=0, page=43, view=0x7f4f0fa00000 '\001' <repeats 200 times>...) at ../c-tests/stress/memory.c:109
#2  memory_check (memory=memory@entry=0x55885208c638, view=view@entry=0x7f4f0fa00000 '\001' <repeats 200 times>..., page=page@entry=43, from=from@entry=0, length=length@entry=4096) at ../c-tests/stress/memory.c:114
#3  0x0000558821577770 in read_some (page=<optimized out>, view=0x7f4f0fa00000 '\001' <repeats 200 times>..., memory=0x55885208c638, random=0x7f4f0ddf8cd0) at ../c-tests/stress/touch.c:100
#4  touch (page=<optimized out>, memory=0x55885208c638, random=0x7f4f0ddf8cd0, machine=0x55885208c450) at ../c-tests/stress/touch.c:125
#5  run (opaque=0x55885208e8c0) at ../c-tests/stress/touch.c:160
#6  0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#7  0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 8 (Thread 0x7f4f0e5fa6c0 (LWP 26159) "exe"):
#0  0x00007f4f113e2545 in __GI___clock_nanosleep (clock_id=clock_id@entry=0, flags=flags@entry=0, req=req@entry=0x7f4f0e5f9c70, rem=rem@entry=0x0) at ../sysdeps/unix/sysv/linux/clock_nanosleep.c:48
#1  0x00007f4f113e6e53 in __GI___nanosleep (req=req@entry=0x7f4f0e5f9c70, rem=rem@entry=0x0) at ../sysdeps/unix/sysv/linux/nanosleep.c:25
#2  0x00007f4f11412295 in usleep (useconds=<optimized out>) at ../sysdeps/posix/usleep.c:31
#3  0x0000558821576f98 in random_sleep (random=random@entry=0x558852090b48, microseconds=microseconds@entry=1000) at ../c-tests/stress/random.c:47
#4  0x000055882157458d in run (opaque=0x558852090b40) at ../c-tests/stress/meddle.c:133
#5  0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#6  0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 7 (Thread 0x7f4f0edfb6c0 (LWP 26158) "exe"):
#0  __futex_abstimed_wait_common64 (private=0, cancel=true, abstime=0x7f4f0edfac50, op=393, expected=0, futex_word=0x55885209c6b4) at ./nptl/futex-internal.c:57
#1  __futex_abstimed_wait_common (futex_word=futex_word@entry=0x55885209c6b4, expected=expected@entry=0, clockid=clockid@entry=0, abstime=abstime@entry=0x7f4f0edfac50, private=private@entry=0, cancel=cancel@entry=true) at ./nptl/futex-internal.c:87
#2  0x00007f4f11398f7b in __GI___futex_abstimed_wait_cancelable64 (futex_word=futex_word@entry=0x55885209c6b4, expected=expected@entry=0, clockid=clockid@entry=0, abstime=abstime@entry=0x7f4f0edfac50, private=private@entry=0) at ./nptl/futex-internal.c:139
#3  0x00007f4f1139b8bc in __pthread_cond_wait_common (abstime=0x7f4f0edfac50, clockid=0, mutex=0x55885209c660, cond=0x55885209c688) at ./nptl/pthread_cond_wait.c:503
#4  ___pthread_cond_timedwait64 (cond=cond@entry=0x55885209c688, mutex=mutex@entry=0x55885209c660, abstime=abstime@entry=0x7f4f0edfac50) at ./nptl/pthread_cond_wait.c:643
#5  0x0000558821576c70 in queue_pop (queue=0x55885209c660, memory=memory@entry=0x7f4f0edfaca8, page=page@entry=0x7f4f0edfacb0) at ../c-tests/stress/queue.c:65
#6  0x0000558821576226 in place_until (machine=0x55885208c450, number=number@entry=1, end=end@entry=0x558852090748) at ../c-tests/stress/postcopy.c:150
#7  0x00005588215763fc in run (opaque=0x558852090740) at ../c-tests/stress/postcopy.c:182
#8  0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#9  0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 6 (Thread 0x7f4f0f5fc6c0 (LWP 26157) "exe"):
#0  __GI___lll_lock_wake (futex=futex@entry=0x55885209c660, private=<optimized out>) at ./nptl/lowlevellock.c:64
#1  0x00007f4f113a0cae in lll_mutex_unlock_optimized (mutex=0x55885209c660) at ./nptl/pthread_mutex_unlock.c:43
#2  __GI___pthread_mutex_unlock_usercnt (mutex=mutex@entry=0x55885209c660, decr=decr@entry=1) at ./nptl/pthread_mutex_unlock.c:68
#3  0x00007f4f113a0d5a in ___pthread_mutex_unlock (mutex=mutex@entry=0x55885209c660) at ./nptl/pthread_mutex_unlock.c:368
#4  0x0000558821576c4c in queue_pop (queue=0x55885209c660, memory=memory@entry=0x7f4f0f5fbca8, page=page@entry=0x7f4f0f5fbcb0) at ../c-tests/stress/queue.c:76
#5  0x0000558821576226 in place_until (machine=0x55885208c450, number=number@entry=0, end=end@entry=0x558852090748) at ../c-tests/stress/postcopy.c:150
#6  0x00005588215763fc in run (opaque=0x558852090740) at ../c-tests/stress/postcopy.c:182
#7  0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#8  0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 5 (Thread 0x7f4f0f7fd6c0 (LWP 26156) "uffd/preempt"):
#0  __futex_abstimed_wait_common64 (private=0, cancel=true, abstime=0x7f4f0f7fc950, op=393, expected=0, futex_word=0x55885209c6b4) at ./nptl/futex-internal.c:57
#1  __futex_abstimed_wait_common (futex_word=futex_word@entry=0x55885209c6b4, expected=expected@entry=0, clockid=clockid@entry=0, abstime=abstime@entry=0x7f4f0f7fc950, private=private@entry=0, cancel=cancel@entry=true) at ./nptl/futex-internal.c:87
#2  0x00007f4f11398f7b in __GI___futex_abstimed_wait_cancelable64 (futex_word=futex_word@entry=0x55885209c6b4, expected=expected@entry=0, clockid=clockid@entry=0, abstime=abstime@entry=0x7f4f0f7fc950, private=private@entry=0) at ./nptl/futex-internal.c:139
#3  0x00007f4f1139b8bc in __pthread_cond_wait_common (abstime=0x7f4f0f7fc950, clockid=0, mutex=0x55885209c660, cond=0x55885209c688) at ./nptl/pthread_cond_wait.c:503
#4  ___pthread_cond_timedwait64 (cond=cond@entry=0x55885209c688, mutex=mutex@entry=0x55885209c660, abstime=abstime@entry=0x7f4f0f7fc950) at ./nptl/pthread_cond_wait.c:643
#5  0x0000558821576c70 in queue_pop (queue=0x55885209c660, memory=memory@entry=0x7f4f0f7fc9a8, page=page@entry=0x7f4f0f7fc9b0) at ../c-tests/stress/queue.c:65
#6  0x0000558821576226 in place_until (machine=0x55885208c450, number=4, end=0x55885208c6f2) at ../c-tests/stress/postcopy.c:150
#7  0x00005588215b0937 in std::sys::backtrace::__rust_begin_short_backtrace::heb07488af12be36d ()
#8  0x00005588215b30ea in ?? ()
#9  0x00005588215f548f in ?? ()
#10 0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#11 0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 4 (Thread 0x7f4f0f9fe6c0 (LWP 26155) "uffd/fault0"):
#0  0x00007f4f1140f26f in __GI___poll (fds=0x55885208e890, nfds=2, timeout=-1) at ../sysdeps/unix/sysv/linux/poll.c:29
#1  0x00005588215934f1 in ?? ()
#2  0x00005588215b0596 in std::sys::backtrace::__rust_begin_short_backtrace::hbff465d6a1056a7b ()
#3  0x00005588215b35d7 in ?? ()
#4  0x00005588215f548f in ?? ()
#5  0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#6  0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 3 (Thread 0x7f4f10aee6c0 (LWP 26146) "exe"):
#0  __futex_abstimed_wait_common64 (private=128, cancel=true, abstime=0x0, op=265, expected=26160, futex_word=0x7f4f0ddf9990) at ./nptl/futex-internal.c:57
#1  __futex_abstimed_wait_common (futex_word=futex_word@entry=0x7f4f0ddf9990, expected=26160, clockid=clockid@entry=0, abstime=abstime@entry=0x0, private=private@entry=128, cancel=cancel@entry=true) at ./nptl/futex-internal.c:87
#2  0x00007f4f11398f7b in __GI___futex_abstimed_wait_cancelable64 (futex_word=futex_word@entry=0x7f4f0ddf9990, expected=<optimized out>, clockid=clockid@entry=0, abstime=abstime@entry=0x0, private=private@entry=128) at ./nptl/futex-internal.c:139
#3  0x00007f4f1139dce3 in __pthread_clockjoin_ex (threadid=139977511900864, thread_return=thread_return@entry=0x0, clockid=clockid@entry=0, abstime=abstime@entry=0x0, block=block@entry=true) at ./nptl/pthread_join_common.c:102
#4  0x00007f4f1139db8f in ___pthread_join (threadid=<optimized out>, thread_return=thread_return@entry=0x0) at ./nptl/pthread_join.c:24
#5  0x00005588215779c1 in touchers_join (touchers=0x55885208e8c0) at ../c-tests/stress/touch.c:187
#6  0x000055882157361c in finish (machine=machine@entry=0x55885208c450, touchers=<optimized out>, meddler=meddler@entry=0x558852090b40) at ../c-tests/stress/machine.c:342
#7  0x000055882157432b in run_setup (machine=0x55885208c450) at ../c-tests/stress/machine.c:396
#8  machine_run (plan=<optimized out>) at ../c-tests/stress/machine.c:413
#9  0x00005588215770e9 in run_machine (plan=<optimized out>) at ../c-tests/stress/stress.c:41
#10 0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#11 0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 2 (Thread 0x7f4f112ef6c0 (LWP 25821) "exe"):
#0  0x00007f4f113e2545 in __GI___clock_nanosleep (clock_id=clock_id@entry=0, flags=flags@entry=0, req=req@entry=0x7f4f112eecb0, rem=rem@entry=0x7f4f112eecb0) at ../sysdeps/unix/sysv/linux/clock_nanosleep.c:48
#1  0x00007f4f113e6e53 in __GI___nanosleep (req=req@entry=0x7f4f112eecb0, rem=rem@entry=0x7f4f112eecb0) at ../sysdeps/unix/sysv/linux/nanosleep.c:25
#2  0x00007f4f113e6d8a in __sleep (seconds=0, seconds@entry=1) at ../sysdeps/posix/sleep.c:55
#3  0x0000558821577a47 in watch (opaque=<optimized out>) at ../c-tests/stress/watch.c:42
#4  0x00007f4f1139c1f5 in start_thread (arg=<optimized out>) at ./nptl/pthread_create.c:442
#5  0x00007f4f1141c8ec in clone3 () at ../sysdeps/unix/sysv/linux/x86_64/clone3.S:81

Thread 1 (Thread 0x7f4f112f0900 (LWP 25819) "exe"):
#0  __futex_abstimed_wait_common64 (private=128, cancel=true, abstime=0x0, op=265, expected=26146, futex_word=0x7f4f10aee990) at ./nptl/futex-internal.c:57
#1  __futex_abstimed_wait_common (futex_word=futex_word@entry=0x7f4f10aee990, expected=26146, clockid=clockid@entry=0, abstime=abstime@entry=0x0, private=private@entry=128, cancel=cancel@entry=true) at ./nptl/futex-internal.c:87
#2  0x00007f4f11398f7b in __GI___futex_abstimed_wait_cancelable64 (futex_word=futex_word@entry=0x7f4f10aee990, expected=<optimized out>, clockid=clockid@entry=0, abstime=abstime@entry=0x0, private=private@entry=128) at ./nptl/futex-internal.c:139
#3  0x00007f4f1139dce3 in __pthread_clockjoin_ex (threadid=139977559041728, thread_return=thread_return@entry=0x0, clockid=clockid@entry=0, abstime=abstime@entry=0x0, block=block@entry=true) at ./nptl/pthread_join_common.c:102
#4  0x00007f4f1139db8f in ___pthread_join (threadid=<optimized out>, thread_return=thread_return@entry=0x0) at ./nptl/pthread_join.c:24
#5  0x0000558821577076 in run_round (seed=seed@entry=1795613544000182, huge_pages=huge_pages@entry=false) at ../c-tests/stress/stress.c:56
#6  0x000055882157197c in run_counted (huge_pages=false, seed=1795613544000182) at ../c-tests/stress/stress.c:69
#7  main (argc=152, argv=0x7ffe5c59f758) at ../c-tests/stress/stress.c:110
[Inferior 1 (process 25819) detached]
