"""The way out of a private network: to other machines, never to this one. Loaded only for private networks.

way         which one there is here, or why there is none; a sandbox's own connection to it
nat         root's: a cable to the host, and rules that end with the process that made them
firewall    those rules: tables of nf_tables
pasta       a plain user's: the program of that name
addresses   networks that clash with none that the host reaches
resolvers   what /etc/resolv.conf says inside
rtnetlink   interfaces, addresses and routes
"""
