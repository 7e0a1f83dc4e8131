# Gives system users and groups their numbers while packages are configured; laid over the tree only meanwhile.
# The same rule as in users.py: the table's number, else one from a hash of the name, else the next free one.
package Envforge::Numbers;

use strict;
use warnings;

my $TABLE = '/usr/share/perl5/Envforge/numbers';
my ($FIRST, $COUNT) = (400, 500);

sub _table {
    my %numbers;
    open(my $file, '<', $TABLE) or die "$TABLE: $!\n";
    while (<$file>) {
        $numbers{$1} = $2 if /^([^:\s]+):(\d+)$/;
    }
    close($file);
    return \%numbers;
}

# FNV-1a, 32 bits
sub _hash {
    my $hash = 2166136261;
    $hash = (($hash ^ $_) * 16777619) & 0xffffffff for unpack('C*', $_[0]);
    return $hash;
}

sub _is_free {
    my ($number, $name) = @_;
    my $user = getpwuid($number);
    my $group = getgrgid($number);
    return (!defined($user) || $user eq $name) && (!defined($group) || $group eq $name);
}

sub number {
    my ($name) = @_;
    my $known = _table()->{$name};
    return $known if defined($known) && _is_free($known, $name);
    my $start = _hash($name);
    for my $step (0 .. $COUNT - 1) {
        my $candidate = $FIRST + ($start + $step) % $COUNT;
        return $candidate if _is_free($candidate, $name);
    }
    return undef;
}

# adduser's pools are hashes of hashes; tied, they have an entry for every name.
sub TIEHASH { return bless({}, $_[0]) }
sub FETCH { return { id => number($_[1]) } }
sub EXISTS { return 1 }
sub FIRSTKEY { return undef }
sub NEXTKEY { return undef }

1;
