# Prepares a ROSE data server for rds-csi: a group and a user with no more rights than the driver
# needs, its key, and the directory that volumes go into. Set the values below, upload this file and
# the public key, log in as an administrator, and run
#   /import file-name=setup.rsc verbose=yes
# It may be run again, and then changes what differs. Everything is checked before anything is
# changed. What each line is for is in docs/install.md.
{
    :local userName "rds-csi"
    :local groupName "rds-csi"
    # The nodes that run the controller; nobody else may log in as this user.
    :local controllers "192.0.2.0/24"
    # The file with the public key that was uploaded (Ed25519 or RSA, one line).
    :local keyFile "rds-csi.pub"
    # Where the pool is mounted, and the directory on it: with these, /raid10/volumes.
    :local pool "raid10"
    :local directory "volumes"

    # Checks

    :local version [/system/resource/get version]
    :local firstDot [:find $version "."]
    :local major [:tonum [:pick $version 0 $firstDot]]
    :local minorText ""
    :local at ($firstDot + 1)
    :while (($at < [:len $version]) and ([:pick $version $at ($at + 1)] ~ "[0-9]")) do={
        :set minorText ($minorText . [:pick $version $at ($at + 1)])
        :set at ($at + 1)
    }
    :local minor [:tonum $minorText]
    :local release ($major * 100 + $minor)
    :if ($release < 721) do={
        :error "RouterOS $version cannot choose the NQN of an export, and nodes refuse a bare name: the driver needs 7.21"
    }
    :if ([:len [/system/package/find where name="rose-storage" and disabled=no]] = 0) do={
        :error "the package rose-storage is missing: /system/package/enable rose-storage, or install it"
    }
    :local pools [/disk/find where mount-point=$pool]
    :if ([:len $pools] != 1) do={
        :error "no disk is mounted as $pool: /disk/print detail where mounted"
    }
    :if ([:len [/file/find where name=$keyFile]] = 0) do={
        :if ([:len [/user/ssh-keys/find where user=$userName]] = 0) do={
            :error "there is no file $keyFile: upload the public key first"
        }
    }
    :local fileSystem [/disk/get [:pick $pools 0] fs]

    # Changes

    # ssh to log in; read, write and test to list, change and measure disks. No policy, so it cannot
    # make users; no sensitive, so it reads no secrets; no ftp, reboot, api, web or winbox.
    :local rights "ssh,read,write,test"
    :if ([:len [/user/group/find where name=$groupName]] = 0) do={
        /user/group/add name=$groupName policy=$rights comment="rds-csi"
    } else={
        /user/group/set [find where name=$groupName] policy=$rights
    }
    :if ([:len [/user/find where name=$userName]] = 0) do={
        # Nobody ever learns this password: the key is the way in.
        /user/add name=$userName group=$groupName address=$controllers \
            password=[:rndstr length=40] comment="rds-csi"
    } else={
        /user/set [find where name=$userName] group=$groupName address=$controllers
    }
    # The file is gone once it is imported.
    :if ([:len [/file/find where name=$keyFile]] > 0) do={
        /user/ssh-keys/import public-key-file=$keyFile user=$userName
    }
    :local path ($pool . "/" . $directory)
    :if ([:len [/file/find where name=$path]] = 0) do={
        /file/add name=$path type=directory
    }

    # What there is now

    :put "rds-csi: RouterOS $version, user $userName with $rights, volumes in /$path on $fileSystem"
    :if ($fileSystem = "btrfs") do={
        :put "  snapshots and clones at once: layout=subvolume, if the pool has a label"
    } else={
        :if ($release >= 723) do={
            :put "  snapshots and clones are copies of the whole file"
        } else={
            :put "  no snapshots and clones: they need 7.23, or a Btrfs pool"
        }
    }
    :do {
        :local sessions [/ip/service/get ssh max-sessions]
        :if ($sessions < 18) do={
            :put "  /ip/service: ssh admits $sessions sessions; each controller may use 8, and there are two"
        }
    } on-error={}
}
