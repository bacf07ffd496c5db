"""Calls a region with boto3. Prints JSON: {"tests": [{"name", "error"?}], "called": [operations that succeeded]}."""

import json
import os
import time
import traceback
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

session = boto3.session.Session()
options = {"endpoint_url": os.environ["CROFT_ENDPOINT"], "config": Config(retries={"total_max_attempts": 1})}
ec2 = session.client("ec2", **options)
sts = session.client("sts", **options)
image = os.environ["CROFT_IMAGE"]
region = os.environ["AWS_REGION"]

tests = []
called = set()
for client in (ec2, sts):
    client.meta.events.register(
        "after-call.*.*",
        lambda http_response, model, **_: called.add(model.name) if http_response.status_code == 200 else None,
    )


def told(name):
    """Marks a test; they run in the order they are written, and each may go on from those before it."""
    return lambda test: tests.append((name, test))


@contextmanager
def refused(code):
    try:
        yield
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"refused with {found}, not {code}: {error}"
        assert error.response["ResponseMetadata"]["RequestId"], "no request id"
    else:
        raise AssertionError(f"not refused with {code}")


def page_sizes(operation, member, size, **parameters):
    pages = ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **parameters)
    return [len(page[member]) for page in pages]


@told("the caller is the account's root")
def _():
    caller = sts.get_caller_identity()
    assert caller["Account"] == "000000000000", caller
    assert caller["Arn"] == "arn:aws:iam::000000000000:root", caller


@told("the region names itself and its zones")
def _():
    assert [it["RegionName"] for it in ec2.describe_regions()["Regions"]] == [region]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [it["ZoneName"] for it in zones] == [region + letter for letter in "abc"], zones
    with refused("InvalidParameterValue"):
        ec2.describe_availability_zones(ZoneNames=["mars-north-1a"])


@told("the default VPC has a subnet in each zone")
def _():
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert sorted(it["AvailabilityZone"] for it in subnets) == [region + letter for letter in "abc"]
    assert all(it["MapPublicIpOnLaunch"] and it["DefaultForAz"] for it in subnets)
    with refused("InvalidVpcID.NotFound"):
        ec2.describe_vpcs(VpcIds=["vpc-00000000000000000"])
    with refused("InvalidSubnetID.NotFound"):
        ec2.describe_subnets(SubnetIds=["subnet-00000000000000000"])


@told("the image that was baked is Amazon's, and found by its name")
def _():
    found = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["debian-12-amd64-*"]}])["Images"]
    assert image in [it["ImageId"] for it in found], found
    assert all(it["State"] == "available" and it["RootDeviceType"] == "ebs" for it in found)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    ec2.get_waiter("image_available").wait(ImageIds=[image])
    with refused("InvalidAMIID.NotFound"):
        ec2.describe_images(ImageIds=["ami-00000000000000000"])


@told("instance types come in pages, each once")
def _():
    pages = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 100})
    names = [it["InstanceType"] for page in pages for it in page["InstanceTypes"]]
    assert len(names) > 500 and len(names) == len(set(names)), len(names)
    (micro,) = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
    assert micro["VCpuInfo"]["DefaultVCpus"] == 2 and micro["MemoryInfo"]["SizeInMiB"] == 1024, micro
    with refused("InvalidInstanceType"):
        ec2.describe_instance_types(InstanceTypes=["t99.mega"])


@told("key pairs are made, imported, listed, and gone when deleted")
def _():
    made = ec2.create_key_pair(KeyName="made", KeyType="ed25519", TagSpecifications=tagged("key-pair", team="a"))
    assert made["KeyMaterial"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert ec2.create_key_pair(KeyName="old")["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    with refused("InvalidKeyPair.Duplicate"):
        ec2.create_key_pair(KeyName="made")
    public = ec2.describe_key_pairs(KeyNames=["made"], IncludePublicKey=True)["KeyPairs"][0]["PublicKey"]
    imported = ec2.import_key_pair(KeyName="imported", PublicKeyMaterial=public)
    assert imported["KeyFingerprint"] == made["KeyFingerprint"], imported
    assert len(ec2.describe_key_pairs()["KeyPairs"]) == 3
    for name in ("old", "imported", "imported"):
        ec2.delete_key_pair(KeyName=name)
    with refused("InvalidKeyPair.NotFound"):
        ec2.describe_key_pairs(KeyNames=["imported"])
    ec2.get_waiter("key_pair_exists").wait(KeyNames=["made"])


@told("a security group's rules are authorized once and revoked once")
def _():
    group = ec2.create_security_group(GroupName="group", Description="made by a test")["GroupId"]
    with refused("InvalidGroup.Duplicate"):
        ec2.create_security_group(GroupName="group", Description="again")
    web = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=web)["SecurityGroupRules"]
    assert rule["CidrIpv4"] == "10.0.0.0/8" and not rule["IsEgress"], rule
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=web)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=web)
    (described,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert [it["FromPort"] for it in described["IpPermissions"]] == [80], described
    assert len(described["IpPermissionsEgress"]) == 2, described
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web)
    again = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web)
    assert [it["FromPort"] for it in again["UnknownIpPermissions"]] == [80], "in the default VPC that is no error"
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=web)
    ec2.delete_security_group(GroupId=group)
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=[group])


@told("a dry run says what would be, and does nothing")
def _():
    with refused("DryRunOperation"):
        ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, DryRun=True)
    with refused("DryRunOperation"):
        ec2.create_key_pair(KeyName="dry", DryRun=True)
    with refused("InvalidAMIID.NotFound"):
        ec2.run_instances(ImageId="ami-00000000000000000", MinCount=1, MaxCount=1, DryRun=True)
    assert ec2.describe_instances()["Reservations"] == []
    assert [it["KeyName"] for it in ec2.describe_key_pairs()["KeyPairs"]] == ["made"]


@told("an instance is launched, stopped, started and terminated, and the waiters follow it")
def _():
    launched = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.nano",
        KeyName="made",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[*tagged("instance", Name="boto"), *tagged("volume", Name="boto's")],
    )["Instances"][0]
    instance = launched["InstanceId"]
    assert launched["State"]["Name"] == "pending", launched
    ec2.get_waiter("instance_exists").wait(InstanceIds=[instance])
    waiter("instance_running").wait(InstanceIds=[instance])
    waiter("instance_status_ok").wait(InstanceIds=[instance])
    assert ec2.describe_instance_status()["InstanceStatuses"][0]["InstanceState"]["Name"] == "running"
    (described,) = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["bo*"]}])["Reservations"]
    (nic,) = described["Instances"][0]["NetworkInterfaces"]
    (volume,) = described["Instances"][0]["BlockDeviceMappings"]
    assert described["Instances"][0]["PublicIpAddress"] == nic["Association"]["PublicIp"]
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[nic["NetworkInterfaceId"]])["NetworkInterfaces"]
    assert found["Attachment"]["InstanceId"] == instance and found["Status"] == "in-use", found
    waiter("volume_in_use").wait(VolumeIds=[volume["Ebs"]["VolumeId"]])
    (found,) = ec2.describe_volumes(Filters=[{"Name": "tag:Name", "Values": ["boto's"]}])["Volumes"]
    assert found["Attachments"][0]["InstanceId"] == instance, found
    output = wait_for(lambda: ec2.get_console_output(InstanceId=instance).get("Output", ""), "Linux version")
    assert "Linux version" in output, output[-500:]

    ec2.reboot_instances(InstanceIds=[instance])
    ec2.stop_instances(InstanceIds=[instance], Force=True)
    waiter("instance_stopped").wait(InstanceIds=[instance])
    with refused("IncorrectInstanceState"):
        ec2.reboot_instances(InstanceIds=[instance])
    ec2.start_instances(InstanceIds=[instance])
    waiter("instance_running").wait(InstanceIds=[instance])
    ec2.stop_instances(InstanceIds=[instance], Force=True)
    waiter("instance_stopped").wait(InstanceIds=[instance])
    (change,) = ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"]
    assert change["PreviousState"]["Name"] == "stopped", change
    waiter("instance_terminated").wait(InstanceIds=[instance])
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    with refused("InvalidInstanceID.NotFound"):
        ec2.terminate_instances(InstanceIds=["i-00000000000000000"])


@told("tags are put on, listed by page, and found")
def _():
    (key,) = ec2.describe_key_pairs()["KeyPairs"]
    ec2.create_tags(Resources=[key["KeyPairId"]], Tags=[{"Key": f"tag{n:02}", "Value": str(n)} for n in range(12)])
    mine = [{"Name": "resource-id", "Values": [key["KeyPairId"]]}]
    assert page_sizes("describe_tags", "Tags", 5, Filters=mine) == [5, 5, 3]
    (found,) = ec2.describe_tags(Filters=[*mine, {"Name": "key", "Values": ["team"]}])["Tags"]
    assert (found["Value"], found["ResourceType"]) == ("a", "key-pair"), found
    with refused("InvalidID"):
        ec2.create_tags(Resources=["i-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}])


@told("other lists come in pages too")
def _():
    for n in range(7):
        ec2.create_security_group(GroupName=f"page-{n}", Description="made by a test")
    pages = [{"Name": "group-name", "Values": ["page-*"]}]
    assert page_sizes("describe_security_groups", "SecurityGroups", 5, Filters=pages) == [5, 2]
    assert page_sizes("describe_instances", "Reservations", 5) == [1], "the terminated one is still shown"
    with refused("InvalidParameterValue"):
        ec2.describe_instances(MaxResults=2)
    with refused("InvalidParameterValue"):
        ec2.describe_instances(Filters=[{"Name": "no-such-filter", "Values": ["x"]}])


@told("what AWS has and Croft does not serve yet is refused by its name")
def _():
    with refused("UnsupportedOperation"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    with refused("UnsupportedOperation"):
        sts.get_session_token()


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def waiter(name):
    made = ec2.get_waiter(name)
    made.config.delay, made.config.max_attempts = 1, 180
    return made


def wait_for(look, wanted, patience_s=60):
    deadline = time.monotonic() + patience_s
    while wanted not in (seen := look()) and time.monotonic() < deadline:
        time.sleep(1)
    return seen


def outcome(name, test):
    try:
        test()
        return {"name": name}
    except Exception:
        return {"name": name, "error": traceback.format_exc()}


print(json.dumps({"tests": [outcome(*it) for it in tests], "called": sorted(called)}))
