#!/bin/sh
# The network of a web application, with a machine in each tier, by the aws CLI alone:
#
#   10.20.0.0/16 over three zones       public          private          database
#     zone a                            10.20.0.0/24    10.20.10.0/24    10.20.20.0/24
#     zone b                            10.20.1.0/24    10.20.11.0/24    10.20.21.0/24
#     zone c                            10.20.2.0/24    10.20.12.0/24    10.20.22.0/24
#     goes out by                       the internet    its zone's       nothing
#                                       gateway         NAT gateway
#
#   anyone ──22──▶ bastion ──22──▶ web, app, database
#   anyone ──80──▶ web ──8080──▶ app ──5432──▶ database
#
#   eval "$(croft env)"; examples/web-network.sh > web-network.env
#
# Prints NAME=ID for everything made, tells its progress on standard error, and ends at the first error. FILE, if one is given,
# is a script that every machine runs at its first boot as well.
#
# usage: examples/web-network.sh [FILE]
set -eu
also=${1:+$(cat "$1")}

aws() { command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} --output text ec2 "$@"; }
say() { echo "web-network: $*" >&2; }
# made NAME COMMAND…: runs it, and prints and keeps what it answers as NAME.
made() { name=$1; shift; value=$("$@"); eval "$name=\$value"; echo "$name=$value"; }
named() { echo "ResourceType=$1,Tags=[{Key=Name,Value=$2}]"; }

say "the VPC and its subnets"
made vpc aws create-vpc --cidr-block 10.20.0.0/16 --tag-specifications "$(named vpc shop)" --query Vpc.VpcId
aws modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames
region=$(aws describe-availability-zones --query 'AvailabilityZones[0].RegionName')
number=0
for zone in a b c; do
  for tier in public:$number private:1$number database:2$number; do
    made "${tier%:*}_$zone" aws create-subnet --vpc-id "$vpc" --availability-zone "$region$zone" \
      --cidr-block "10.20.$((${tier#*:})).0/24" --tag-specifications "$(named subnet "${tier%:*}-$zone")" --query Subnet.SubnetId
  done
  number=$((number + 1))
done

say "the internet gateway, and routes to it"
made internet_gateway aws create-internet-gateway --query InternetGateway.InternetGatewayId
aws attach-internet-gateway --internet-gateway-id "$internet_gateway" --vpc-id "$vpc"
made public_routes aws create-route-table --vpc-id "$vpc" --query RouteTable.RouteTableId
aws create-route --route-table-id "$public_routes" --destination-cidr-block 0.0.0.0/0 --gateway-id "$internet_gateway" >&2
for subnet in "$public_a" "$public_b" "$public_c"; do
  aws associate-route-table --route-table-id "$public_routes" --subnet-id "$subnet" >&2
done

say "a NAT gateway in each zone, and routes to it"
for zone in a b c; do
  eval "public=\$public_$zone private=\$private_$zone"
  made "nat_address_$zone" aws allocate-address --domain vpc --query AllocationId
  made "nat_gateway_$zone" aws create-nat-gateway --subnet-id "$public" --allocation-id "$value" --query NatGateway.NatGatewayId
  gateway=$value
  aws wait nat-gateway-available --nat-gateway-ids "$gateway"
  made "private_routes_$zone" aws create-route-table --vpc-id "$vpc" --query RouteTable.RouteTableId
  aws create-route --route-table-id "$value" --destination-cidr-block 0.0.0.0/0 --nat-gateway-id "$gateway" >&2
  aws associate-route-table --route-table-id "$value" --subnet-id "$private" >&2
done

say "the databases' network ACL: PostgreSQL from the private subnets and SSH from the public ones, their answers, and no more"
made database_acl aws create-network-acl --vpc-id "$vpc" --query NetworkAcl.NetworkAclId
entry() { # entry NUMBER ingress|egress CIDR FROM TO
  aws create-network-acl-entry --network-acl-id "$database_acl" --rule-number "$1" "--$2" --protocol 6 --cidr-block "$3" \
    --port-range "From=$4,To=$5" --rule-action allow
}
entry 100 ingress 10.20.10.0/23 5432 5432
entry 110 ingress 10.20.12.0/24 5432 5432
entry 120 ingress 10.20.0.0/22 22 22
entry 100 egress 10.20.0.0/16 1024 65535
for subnet in "$database_a" "$database_b" "$database_c"; do
  association=$(aws describe-network-acls --filters "Name=association.subnet-id,Values=$subnet" \
    --query "NetworkAcls[0].Associations[?SubnetId=='$subnet'].NetworkAclAssociationId")
  aws replace-network-acl-association --association-id "$association" --network-acl-id "$database_acl" >&2
done

say "the security groups"
for tier in bastion web app database; do
  made "${tier}_group" aws create-security-group --group-name "shop-$tier" --description "$tier" --vpc-id "$vpc" --query GroupId
done
open() { # open GROUP PORT --cidr CIDR | --source-group GROUP
  group=$1 port=$2; shift 2
  aws authorize-security-group-ingress --group-id "$group" --protocol tcp --port "$port" "$@" >&2
}
open "$bastion_group" 22 --cidr 0.0.0.0/0
open "$web_group" 80 --cidr 0.0.0.0/0
open "$app_group" 8080 --source-group "$web_group"
open "$database_group" 5432 --source-group "$app_group"
for group in "$web_group" "$app_group" "$database_group"; do open "$group" 22 --source-group "$bastion_group"; done

say "the machines"
image=$(command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} --output text ssm get-parameter \
  --name /aws/service/debian/release/12/latest/amd64 --query Parameter.Value)
launch() { # launch NAME SUBNET ADDRESS PORT GROUP: a machine that answers HTTP on PORT
  made "$1" aws run-instances --image-id "$image" --instance-type t3.nano ${KEY_NAME:+--key-name "$KEY_NAME"} \
    --subnet-id "$2" --private-ip-address "$3" --security-group-ids "$5" --tag-specifications "$(named instance "$1")" \
    --query 'Instances[0].InstanceId' --user-data "#!/bin/sh
systemd-run --unit service python3 -m http.server $4
$also"
}
launch bastion "$public_a" 10.20.0.10 8000 "$bastion_group"
launch web "$public_b" 10.20.1.10 80 "$web_group"
launch app "$private_a" 10.20.10.10 8080 "$app_group"
launch database "$database_a" 10.20.20.10 5432 "$database_group"
aws wait instance-running --instance-ids "$bastion" "$web" "$app" "$database"

say "public addresses of the bastion and the web server"
for machine in bastion web; do
  eval "instance=\$$machine"
  made "${machine}_allocation" aws allocate-address --domain vpc --query AllocationId
  made "${machine}_association" aws associate-address --allocation-id "$value" --instance-id "$instance" --query AssociationId
  eval "allocation=\$${machine}_allocation"
  made "${machine}_address" aws describe-addresses --allocation-ids "$allocation" --query 'Addresses[0].PublicIp'
done
