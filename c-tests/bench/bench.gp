# SPDX-License-Identifier: MIT OR Apache-2.0
# The picture of a run: gnuplot, in the directory with its .dat files, makes bench.svg.

set terminal svg noenhanced size 1000,1250 font "sans-serif,13" background rgb "white"
set output "bench.svg"
set multiplot layout 3,2 title "uffd-incoming (ours), and what VMMs do without it" font ",18" \
    margins 0.08,0.97,0.10,0.91 spacing 0.09,0.09
set grid
set key bottom right

distribution(file) = system("grep -c '^\"' ".file) + 0

set logscale x
set xlabel "microseconds from the touch to the byte"
set ylabel "% of faults that took no longer"
set yrange [0:100]
set xrange [5:*]
set title "Fault latency, pinned thread (further left is better)"
plot for [i=0:distribution("latency-pinned.dat")-1] "latency-pinned.dat" index i using 1:2 \
    with lines linewidth 2 title columnheader(1)
set title "Fault latency, thread not pinned (further left is better)"
plot for [i=0:distribution("latency-free.dat")-1] "latency-free.dat" index i using 1:2 \
    with lines linewidth 2 title columnheader(1)

unset logscale x
set yrange [0:*]
set xrange [0:*]
set xlabel "milliseconds since the load began"
set ylabel "GB loaded"
set title "Load, file in the page cache (steeper is better)"
plot for [i=0:1] "load-rate.dat" index i using 1:2 \
    with linespoints linewidth 2 pointsize 0.3 title columnheader(1)
set title "Load, file on the disk (steeper is better)"
plot "load-rate.dat" index 2 using 1:2 with linespoints linewidth 2 pointsize 0.3 title columnheader(1)

unset xrange
unset key
set xlabel " "
set ylabel "milliseconds"
set style data histograms
set style fill solid 0.7
set xtics rotate by -30 font ",10"
set title "Restored, and 25 % read as 4 KiB pages (lower is better)"
plot "resume.dat" using 2:xtic(1) linecolor 1
set title "Restored, and 25 % read as 2 MiB regions (lower is better)"
plot "resume.dat" using 3:xtic(1) linecolor 2
unset multiplot
