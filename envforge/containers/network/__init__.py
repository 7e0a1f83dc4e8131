"""The network of private sandboxes: published ports and the proxy behind them.

published    what `-p` and a spec write
listening    sockets of the host for published ports, opened before anything starts
holders      why a port cannot be had, and who has it
proxy        the process between them and the sandbox
streams      its TCP, through pipes; datagrams: its UDP; joining: how it gets into the sandbox's namespaces
foreground   a command in the foreground with published ports
member       a sandbox's place in the network of its project; holder: the process that keeps that network;
             keeping: the directory that they share

`listening`, `proxy` and what they load are on the warm path and in every supervisor: they import next to
nothing.
"""
