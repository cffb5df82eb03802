# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_uffd_incoming_global_optspecs
    string join \n json h/help V/version
end

function __fish_uffd_incoming_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_uffd_incoming_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_uffd_incoming_using_subcommand
    set -l cmd (__fish_uffd_incoming_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -s V -l version -d 'Print version'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -f -a "probe" -d 'Show what this host can do for lazy RAM, and what to do if it cannot'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -f -a "info" -d 'Show the RAM blocks of a snapshot: sizes, data and zeros'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -f -a "verify" -d 'Read all RAM of a snapshot, and report each part that cannot be read'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -f -a "flat" -d 'Write the description with which a raw image of RAM can be opened'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -f -a "working-set" -d 'Show what a recorded working set touches, and when'
complete -c uffd-incoming -n "__fish_uffd_incoming_needs_command" -f -a "bench" -d 'Restore a snapshot in several ways, and measure how long its pages take to arrive'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand probe" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand info" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand info" -s h -l help -d 'Print help'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand verify" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -l block -d 'A RAM block in it; may be given several times. OFFSET and LENGTH are in bytes, decimal or hexadecimal' -r
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -l regions -d 'A file of JSON that lists the regions: Cloud Hypervisor\'s state.json, or what Firecracker sends to its page fault handler' -r -F
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -l name -d 'The name of the RAM block, or what the names of several begin with' -r
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -s o -l output -d 'The description [default: DUMP with ".flat" added]' -r -F
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -l force -d 'Replace the description if it exists, and take an image that looks like something else'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand flat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand working-set" -l snapshot -d 'The snapshot that it belongs to: gives names and lengths to the RAM blocks. The exit status is 1 if it is another one' -r -F
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand working-set" -l svg -d 'Draw the picture into an SVG file' -r -F
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand working-set" -l force -d 'Replace the SVG file if it exists'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand working-set" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand working-set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand bench" -l working-set -d 'Touch what this working set has recorded, in its order [default: 64 MiB all over the RAM, in pieces of 2 MiB]' -r -F
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand bench" -l rounds -d 'How often to restore in each way; medians are shown' -r
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand bench" -l cold -d 'Drop the file from the page cache before each restore'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand bench" -l json -d 'Print JSON, with all sizes in bytes and all times in seconds. An error is still a line of text'
complete -c uffd-incoming -n "__fish_uffd_incoming_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
