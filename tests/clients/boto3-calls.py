"""
Calls a region with boto3, Debian's or a newer one. Prints JSON: {"tests": [{"name", "error"?}], "offered": each paginator and waiter
of boto3's own data ("ec2:wait VpcExists") with the service and operation it calls, "used": [those that came to their end],
"operations": [what it can call, "ec2:RunInstances"]}.
"""

import base64
import csv
import hashlib
import hmac
import json
import os
import subprocess
import tempfile
import time
import traceback
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, DataNotFoundError, UnknownServiceError

session = boto3.session.Session()
options = {"endpoint_url": os.environ["CROFT_ENDPOINT"], "config": Config(retries={"total_max_attempts": 1})}
ec2 = session.client("ec2", **options)
sts = session.client("sts", **options)
ssm = session.client("ssm", **options)
quotas = session.client("service-quotas", **options)
iam = session.client("iam", **options)
dlm = session.client("dlm", **options)
ebs = session.client("ebs", **options)
kms = session.client("kms", **options)
image = os.environ["CROFT_IMAGE"]
console = os.environ["CROFT_CONSOLE"]
# Two disks that the region may import; the second is not done at once.
disk_url, slow_disk_url = os.environ["CROFT_DISKS"].split()
# An OIDC provider, its thumbprint, and a token of it for "croft" about "ada".
issuer, thumbprint, token = os.environ["CROFT_ISSUER"].split()
# A SAML provider's metadata, and an assertion of it for the role "federated" about "ada".
metadata_file, assertion = os.environ["CROFT_SAML"].split()
region = os.environ["AWS_REGION"]
release = "/aws/service/debian/release/12/latest/amd64"

tests = []
offered = {}
used = set()
operations = set()
# The ids of the one instance that several tests go on with, of its volumes and its interface.
nano = {}


def note_conveniences(client):
    service = client.meta.service_model.signing_name
    pagination = data_of(client, "paginators-1").get("pagination", {})
    waiters = data_of(client, "waiters-2").get("waiters", {})
    offered.update({f"{service}:paginate {operation}": [service, operation] for operation in pagination})
    offered.update({f"{service}:wait {name}": [service, it["operation"]] for name, it in waiters.items()})
    operations.update(f"{service}:{it}" for it in client.meta.service_model.operation_names)
    get_paginator, get_waiter = client.get_paginator, client.get_waiter

    def noting_paginator(method):
        made = get_paginator(method)
        paginate = made.paginate

        def pages(**parameters):
            yield from paginate(**parameters)
            used.add(f"{service}:paginate {client.meta.method_to_api_mapping[method]}")

        made.paginate = pages
        return made

    def noting_waiter(name):
        made = get_waiter(name)
        wait = made.wait

        def wait_then_note(**parameters):
            wait(**parameters)
            used.add(f"{service}:wait {made.name}")

        made.wait = wait_then_note
        return made

    client.get_paginator, client.get_waiter = noting_paginator, noting_waiter


def data_of(client, kind):
    try:
        return client._loader.load_service_model(client.meta.service_model.service_name, kind)
    except (DataNotFoundError, UnknownServiceError):
        return {}


for each in (ec2, sts, ssm, quotas, iam, dlm, ebs, kms):
    note_conveniences(each)


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


def pages_of(client, operation, member, size, **parameters):
    pages = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **parameters)
    return [page[member] for page in pages]


def page_sizes(operation, member, size, **parameters):
    return [len(page) for page in pages_of(ec2, operation, member, size, **parameters)]


def every(client, operation, member, size, **parameters):
    return [it for page in pages_of(client, operation, member, size, **parameters) for it in page]


@told("the caller is the account's root")
def _():
    caller = sts.get_caller_identity()
    assert caller["Account"] == "000000000000", caller
    assert caller["Arn"] == "arn:aws:iam::000000000000:root", caller


@told("the account says what it may have")
def _():
    attributes = ec2.describe_account_attributes()["AccountAttributes"]
    values = {it["AttributeName"]: it["AttributeValues"][0]["AttributeValue"] for it in attributes}
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    assert values["supported-platforms"] == "VPC" and values["default-vpc"] == vpc["VpcId"], values
    (one,) = ec2.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]
    assert one["AttributeValues"] == [{"AttributeValue": vpc["VpcId"]}], one
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False


@told("volumes are encrypted by default once the account says so, by the key that it chose")
def _():
    assert ec2.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    key = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert ec2.modify_ebs_default_kms_key_id(KmsKeyId=key["KeyId"])["KmsKeyId"] == key["Arn"]
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    made = ec2.create_volume(AvailabilityZone=zone, Size=1)
    assert made["Encrypted"] is True and made["KmsKeyId"] == key["Arn"], made
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert ec2.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    ec2.get_waiter("volume_available").wait(VolumeIds=[made["VolumeId"]])
    ec2.delete_volume(VolumeId=made["VolumeId"])


@told("service quotas are read, listed by page, and are AWS's defaults")
def _():
    assert {it["ServiceCode"] for it in every(quotas, "list_services", "Services", 1)} == {"ec2", "vpc"}
    for listed, one in (
        ("list_service_quotas", quotas.get_service_quota),
        ("list_aws_default_service_quotas", quotas.get_aws_default_service_quota),
    ):
        found = every(quotas, listed, "Quotas", 2, ServiceCode="vpc")
        assert {it["QuotaName"]: it["Value"] for it in found}["VPCs per Region"] == 5, found
        assert found == every(quotas, listed, "Quotas", 100, ServiceCode="vpc")
        assert [one(ServiceCode="vpc", QuotaCode=it["QuotaCode"])["Quota"] for it in found] == found
        with refused("NoSuchResourceException"):
            one(ServiceCode="vpc", QuotaCode="L-00000000")


@told("policies are simulated, page by page, and the keys they ask for are named")
def _():
    policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::${aws:username}/*"}}'
    asked = {"PolicyInputList": [policy], "ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": ["arn:aws:s3:::ada/1"]}
    who = [{"ContextKeyName": "aws:username", "ContextKeyValues": ["ada"], "ContextKeyType": "string"}]
    results = every(iam, "simulate_custom_policy", "EvaluationResults", 1, **asked, ContextEntries=who)
    assert [it["EvalDecision"] for it in results] == ["allowed", "implicitDeny"], results
    (first, _) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert (first["EvalDecision"], first["MissingContextValues"]) == ("implicitDeny", ["aws:username"]), first
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[policy])["ContextKeyNames"] == ["aws:username"]
    with refused("InvalidInput"):
        iam.simulate_custom_policy(PolicyInputList=["{"], ActionNames=["s3:GetObject"])


ALL = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
BY_EC2 = ALL.replace('"*","Resource":"*"', '"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}')
USER, GROUP, ROLE, PROFILE = {"UserName": "ada"}, {"GroupName": "staff"}, {"RoleName": "web"}, {"InstanceProfileName": "web"}
POLICY = {"PolicyArn": "arn:aws:iam::000000000000:policy/all"}


@told("IAM's users, groups, roles, policies and instance profiles are made, tagged and listed page by page")
def _():
    iam.create_policy(PolicyName="all", PolicyDocument=ALL)
    for name in ("ada", "bob"):
        iam.create_user(UserName=name)
    iam.create_group(**GROUP)
    iam.create_role(**ROLE, AssumeRolePolicyDocument=BY_EC2)
    iam.create_instance_profile(**PROFILE)
    for waiter, of in (("user_exists", USER), ("role_exists", ROLE), ("policy_exists", POLICY), ("instance_profile_exists", PROFILE)):
        iam.get_waiter(waiter).wait(**of)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    for what, of in (("user", USER), ("role", ROLE), ("policy", POLICY), ("instance_profile", PROFILE)):
        getattr(iam, f"tag_{what}")(**of, Tags=tags)
        listed = f"list_{what}_tags"
        found = every(iam, listed, "Tags", 1, **of) if iam.can_paginate(listed) else getattr(iam, listed)(**of)["Tags"]
        assert found == tags, (what, found)
        getattr(iam, f"untag_{what}")(**of, TagKeys=["a", "b"])
    assert [it["UserName"] for it in every(iam, "list_users", "Users", 1)] == ["ada", "bob"]
    assert [it["GroupName"] for it in every(iam, "list_groups", "Groups", 1)] == ["staff"]
    (role,) = every(iam, "list_roles", "Roles", 1)
    assert role["AssumeRolePolicyDocument"]["Statement"]["Principal"] == {"Service": "ec2.amazonaws.com"}, role
    assert len(every(iam, "list_instance_profiles", "InstanceProfiles", 1)) == 1
    arns = {it["Arn"] for it in every(iam, "list_policies", "Policies", 20)}
    assert {"arn:aws:iam::aws:policy/AdministratorAccess", POLICY["PolicyArn"]} <= arns, arns
    iam.update_user(UserName="bob", NewUserName="eve")
    iam.update_group(**GROUP, NewPath="/people/")
    assert iam.get_user(UserName="eve")["User"]["UserName"] == "eve"
    iam.update_role(**ROLE, MaxSessionDuration=7200)
    iam.update_role_description(**ROLE, Description="of instances")
    iam.update_assume_role_policy(**ROLE, PolicyDocument=BY_EC2)
    assert iam.get_role(**ROLE)["Role"]["MaxSessionDuration"] == 7200
    with refused("EntityAlreadyExists"):
        iam.create_user(**USER)
    with refused("NoSuchEntity"):
        iam.get_user(UserName="nobody")
    with refused("MalformedPolicyDocument"):
        iam.create_policy(PolicyName="none", PolicyDocument="{}")


@told("IAM's policies have versions, are attached, written in and bound, and know who uses them")
def _():
    iam.create_policy_version(**POLICY, PolicyDocument=ALL)
    iam.set_default_policy_version(**POLICY, VersionId="v2")
    assert [it["VersionId"] for it in every(iam, "list_policy_versions", "Versions", 1, **POLICY)] == ["v2", "v1"]
    version = iam.get_policy_version(**POLICY, VersionId="v2")["PolicyVersion"]
    assert version["Document"]["Statement"]["Action"] == "*", version
    iam.delete_policy_version(**POLICY, VersionId="v1")
    assert iam.get_policy(**POLICY)["Policy"]["DefaultVersionId"] == "v2"
    holders = (("user", USER), ("group", GROUP), ("role", ROLE))
    for what, of in holders:
        getattr(iam, f"attach_{what}_policy")(**of, **POLICY)
        (attached,) = every(iam, f"list_attached_{what}_policies", "AttachedPolicies", 1, **of)
        assert attached["PolicyName"] == "all", attached
        getattr(iam, f"put_{what}_policy")(**of, PolicyName="in", PolicyDocument=ALL)
        assert every(iam, f"list_{what}_policies", "PolicyNames", 1, **of) == ["in"]
        assert getattr(iam, f"get_{what}_policy")(**of, PolicyName="in")["PolicyDocument"]["Statement"]["Effect"] == "Allow"
    asked = {"PolicySourceArn": "arn:aws:iam::000000000000:user/ada", "ActionNames": ["s3:GetObject", "ec2:RunInstances"]}
    results = every(iam, "simulate_principal_policy", "EvaluationResults", 1, **asked)
    assert [it["EvalDecision"] for it in results] == ["allowed", "allowed"], results
    assert {it["SourcePolicyId"] for it in results[0]["MatchedStatements"]} == {"all", "user_ada_in"}, results
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=asked["PolicySourceArn"])["ContextKeyNames"] == []
    (user,) = every(iam, "list_entities_for_policy", "PolicyUsers", 1, **POLICY)
    assert user["UserName"] == "ada", user
    for what, of in (("user", USER), ("role", ROLE)):
        getattr(iam, f"put_{what}_permissions_boundary")(**of, PermissionsBoundary=POLICY["PolicyArn"])
        getattr(iam, f"delete_{what}_permissions_boundary")(**of)


@told("a user signs in by keys, is held to policy, and assumes a role")
def _():
    key = iam.create_access_key(**USER)["AccessKey"]
    key_id = {"AccessKeyId": key["AccessKeyId"]}
    assert [it["AccessKeyId"] for it in every(iam, "list_access_keys", "AccessKeyMetadata", 1, **USER)] == [key["AccessKeyId"]]
    assert iam.get_access_key_last_used(**key_id)["UserName"] == "ada"
    assert sts.get_access_key_info(**key_id)["Account"] == "000000000000"
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    ada, adas_ec2 = session.client("sts", **own, **options), session.client("ec2", **own, **options)
    arn = ada.get_caller_identity()["Arn"]
    assert arn == "arn:aws:iam::000000000000:user/ada", arn
    adas_ec2.describe_vpcs()
    iam.update_assume_role_policy(**ROLE, PolicyDocument=BY_EC2.replace('"Service":"ec2.amazonaws.com"', f'"AWS":"{arn}"'))
    assumed = ada.assume_role(RoleArn="arn:aws:iam::000000000000:role/web", RoleSessionName="me")
    given = assumed["Credentials"]
    web = session.client(
        "sts", aws_access_key_id=given["AccessKeyId"], aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"], **options,
    )  # fmt: skip
    assert web.get_caller_identity()["Arn"] == "arn:aws:sts::000000000000:assumed-role/web/me"
    assert ada.get_session_token()["Credentials"]["SessionToken"]
    assert ada.get_federation_token(Name="guest")["Credentials"]["SessionToken"]
    iam.put_user_policy(**USER, PolicyName="in", PolicyDocument=ALL.replace("Allow", "Deny"))
    try:
        adas_ec2.create_vpc(CidrBlock="10.9.0.0/16")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UnauthorizedOperation", error
        encoded = error.response["Error"]["Message"].split("failure message: ")[1]
    decoded = json.loads(sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
    assert (decoded["explicitDeny"], decoded["context"]["action"]) == (True, "ec2:CreateVpc"), decoded
    iam.update_access_key(**USER, **key_id, Status="Inactive")
    with refused("InvalidClientTokenId"):
        ada.get_caller_identity()
    iam.delete_access_key(**USER, **key_id)


def code_at(seed, step):
    """Of an authenticator app, so many steps of 30 seconds from now."""
    counter = (int(time.time()) // 30 + step).to_bytes(8, "big")
    digest = hmac.new(base64.b32decode(seed), counter, "sha1").digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1000000:06}"


@told("a user has an MFA device, by whose codes sessions are made")
def _():
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Tags=[{"Key": "a", "Value": "1"}])["VirtualMFADevice"]
    iam.create_virtual_mfa_device(VirtualMFADeviceName="tablet")
    assert made["QRCodePNG"].startswith(b"\x89PNG"), "no picture"
    seed, device = made["Base32StringSeed"], {"SerialNumber": made["SerialNumber"]}

    def codes(step):
        return {"AuthenticationCode1": code_at(seed, step), "AuthenticationCode2": code_at(seed, step + 1)}

    iam.tag_mfa_device(**device, Tags=[{"Key": "b", "Value": "2"}])
    iam.untag_mfa_device(**device, TagKeys=["a"])
    assert iam.list_mfa_device_tags(**device)["Tags"] == [{"Key": "b", "Value": "2"}]
    with refused("InvalidAuthenticationCode"):
        iam.enable_mfa_device(**USER, **device, AuthenticationCode1="000000", AuthenticationCode2="000000")
    iam.enable_mfa_device(**USER, **device, **codes(-9))
    iam.resync_mfa_device(**USER, **device, **codes(-5))
    assert len(every(iam, "list_virtual_mfa_devices", "VirtualMFADevices", 1)) == 2
    (listed,) = every(iam, "list_mfa_devices", "MFADevices", 1, **USER)
    assert listed["SerialNumber"] == device["SerialNumber"], listed
    if hasattr(iam, "get_mfa_device"):
        assert iam.get_mfa_device(**USER, **device)["UserName"] == "ada"
    key = iam.create_access_key(**USER)["AccessKey"]
    ada = session.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], **options)
    with refused("AccessDenied"):
        ada.get_session_token(**device, TokenCode=code_at(seed, -6))
    assert ada.get_session_token(**device, TokenCode=code_at(seed, -3))["Credentials"]["SessionToken"]
    iam.delete_access_key(**USER, AccessKeyId=key["AccessKeyId"])
    with refused("DeleteConflict"):
        iam.delete_virtual_mfa_device(**device)
    iam.deactivate_mfa_device(**USER, **device)
    for name in ("phone", "tablet"):
        iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"].replace("phone", name))


@told("a user has a password, as the account's policy asks for, and changes it")
def _():
    with refused("NoSuchEntity"):
        iam.get_account_password_policy()
    iam.update_account_password_policy(MinimumPasswordLength=10, RequireNumbers=True, AllowUsersToChangePassword=True)
    assert iam.get_account_password_policy()["PasswordPolicy"]["MinimumPasswordLength"] == 10
    with refused("PasswordPolicyViolation"):
        iam.create_login_profile(**USER, Password="short1")
    iam.create_login_profile(**USER, Password="correct-horse-1", PasswordResetRequired=True)
    assert iam.get_login_profile(**USER)["LoginProfile"]["PasswordResetRequired"]
    iam.update_login_profile(**USER, Password="battery-staple-2")
    key = iam.create_access_key(**USER)["AccessKey"]
    ada = session.client("iam", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], **options)
    # The policy that the tests before left denies everything.
    iam.put_user_policy(**USER, PolicyName="in", PolicyDocument=ALL)
    ada.change_password(OldPassword="battery-staple-2", NewPassword="third-time-lucky-3")
    iam.delete_access_key(**USER, AccessKeyId=key["AccessKeyId"])
    with refused("DeleteConflict"):
        iam.delete_user(**USER)
    iam.delete_login_profile(**USER)
    iam.delete_account_password_policy()


@told("the credential report tells what users sign in with")
def _():
    with refused("ReportNotPresent"):
        iam.get_credential_report()
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    (_, root, *users) = csv.reader(iam.get_credential_report()["Content"].decode().splitlines())
    assert (root[0], "ada" in [user[0] for user in users]) == ("<root_account>", True), users


@told("server certificates are uploaded with their keys, listed, tagged, renamed and deleted")
def _():
    with tempfile.TemporaryDirectory() as folder:
        made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=web -keyout key -out web"
        subprocess.run(made.split(), cwd=folder, check=True, capture_output=True)
        body, key = (open(f"{folder}/{name}").read() for name in ("web", "key"))
    for name in ("web", "other"):
        iam.upload_server_certificate(ServerCertificateName=name, CertificateBody=body, PrivateKey=key)
    with refused("MalformedCertificate"):
        iam.upload_server_certificate(ServerCertificateName="bad", CertificateBody=key, PrivateKey=key)
    web = {"ServerCertificateName": "web"}
    assert iam.get_server_certificate(**web)["ServerCertificate"]["CertificateBody"] == body
    assert len(every(iam, "list_server_certificates", "ServerCertificateMetadataList", 1)) == 2
    iam.tag_server_certificate(**web, Tags=[{"Key": "a", "Value": "1"}])
    assert iam.list_server_certificate_tags(**web)["Tags"] == [{"Key": "a", "Value": "1"}]
    iam.untag_server_certificate(**web, TagKeys=["a"])
    iam.update_server_certificate(**web, NewServerCertificateName="site")
    for name in ("site", "other"):
        iam.delete_server_certificate(ServerCertificateName=name)
    with refused("NoSuchEntity"):
        iam.get_server_certificate(**web)


@told("IAM's users are in groups, roles in instance profiles, and all of it goes")
def _():
    iam.add_user_to_group(**GROUP, **USER)
    (user,), (group,) = every(iam, "get_group", "Users", 1, **GROUP), every(iam, "list_groups_for_user", "Groups", 1, **USER)
    assert (user["UserName"], group["GroupName"]) == ("ada", "staff")
    iam.add_role_to_instance_profile(**PROFILE, **ROLE)
    assert iam.get_instance_profile(**PROFILE)["InstanceProfile"]["Roles"][0]["RoleName"] == "web"
    assert len(every(iam, "list_instance_profiles_for_role", "InstanceProfiles", 1, **ROLE)) == 1
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 2
    (ada, _) = every(iam, "get_account_authorization_details", "UserDetailList", 1, Filter=["User"])
    assert ada["GroupList"] == ["staff"], ada
    iam.create_account_alias(AccountAlias="my-region")
    assert every(iam, "list_account_aliases", "AccountAliases", 1) == ["my-region"]
    iam.delete_account_alias(AccountAlias="my-region")

    with refused("DeleteConflict"):
        iam.delete_user(**USER)
    iam.remove_user_from_group(**GROUP, **USER)
    iam.remove_role_from_instance_profile(**PROFILE, **ROLE)
    for what, of in (("user", USER), ("group", GROUP), ("role", ROLE)):
        getattr(iam, f"detach_{what}_policy")(**of, **POLICY)
        getattr(iam, f"delete_{what}_policy")(**of, PolicyName="in")
        getattr(iam, f"delete_{what}")(**of)
    iam.delete_user(UserName="eve")
    iam.delete_instance_profile(**PROFILE)
    iam.delete_policy(**POLICY)
    with refused("NoSuchEntity"):
        iam.get_policy(**POLICY)


@told("whoever has a token of a provider assumes a role")
def _():
    made = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=["other"], ThumbprintList=["0" * 40])
    arn = made["OpenIDConnectProviderArn"]
    provider = {"OpenIDConnectProviderArn": arn}
    iam.add_client_id_to_open_id_connect_provider(**provider, ClientID="croft")
    iam.remove_client_id_from_open_id_connect_provider(**provider, ClientID="other")
    iam.update_open_id_connect_provider_thumbprint(**provider, ThumbprintList=[thumbprint])
    iam.tag_open_id_connect_provider(**provider, Tags=[{"Key": "a", "Value": "1"}])
    assert iam.list_open_id_connect_provider_tags(**provider)["Tags"] == [{"Key": "a", "Value": "1"}]
    if iam.can_paginate("list_open_id_connect_provider_tags"):
        assert len(every(iam, "list_open_id_connect_provider_tags", "Tags", 1, **provider)) == 1
    iam.untag_open_id_connect_provider(**provider, TagKeys=["a"])
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    assert iam.get_open_id_connect_provider(**provider)["ClientIDList"] == ["croft"]
    role = {"RoleName": "federated"}
    trust = BY_EC2.replace('"Service":"ec2.amazonaws.com"', f'"Federated":"{arn}"')
    iam.create_role(**role, AssumeRolePolicyDocument=trust.replace("AssumeRole", "AssumeRoleWithWebIdentity"))
    asked = {"RoleArn": "arn:aws:iam::000000000000:role/federated", "RoleSessionName": "me"}
    given = sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)
    assert (given["SubjectFromWebIdentityToken"], given["Provider"]) == ("ada", arn), given
    with refused("InvalidIdentityToken"):
        sts.assume_role_with_web_identity(**asked, WebIdentityToken=token[:-4])
    iam.delete_role(**role)
    iam.delete_open_id_connect_provider(**provider)
    with refused("NoSuchEntity"):
        iam.get_open_id_connect_provider(**provider)


@told("a service-linked role is made, kept as it is, and deleted by a task")
def _():
    role = iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]
    assert role["Path"] == "/aws-service-role/spot.amazonaws.com/", role
    with refused("UnmodifiableEntity"):
        iam.delete_role(RoleName=role["RoleName"])
    task = iam.delete_service_linked_role(RoleName=role["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"


@told("whom a SAML provider vouches for assumes a role")
def _():
    with open(metadata_file) as file:
        metadata = {"SAMLMetadataDocument": file.read()}
    arn = iam.create_saml_provider(Name="corp", **metadata)["SAMLProviderArn"]
    provider = {"SAMLProviderArn": arn}
    iam.update_saml_provider(**provider, **metadata)
    iam.tag_saml_provider(**provider, Tags=[{"Key": "a", "Value": "1"}])
    assert iam.list_saml_provider_tags(**provider)["Tags"] == [{"Key": "a", "Value": "1"}]
    if iam.can_paginate("list_saml_provider_tags"):
        assert len(every(iam, "list_saml_provider_tags", "Tags", 1, **provider)) == 1
    iam.untag_saml_provider(**provider, TagKeys=["a"])
    assert [it["Arn"] for it in iam.list_saml_providers()["SAMLProviderList"]] == [arn]
    assert iam.get_saml_provider(**provider)["SAMLMetadataDocument"] == metadata["SAMLMetadataDocument"]
    role = {"RoleName": "federated"}
    trust = BY_EC2.replace('"Service":"ec2.amazonaws.com"', f'"Federated":"{arn}"')
    iam.create_role(**role, AssumeRolePolicyDocument=trust.replace("AssumeRole", "AssumeRoleWithSAML"))
    asked = {"RoleArn": "arn:aws:iam::000000000000:role/federated", "PrincipalArn": arn}
    given = sts.assume_role_with_saml(**asked, SAMLAssertion=assertion)
    assert (given["Subject"], given["SubjectType"]) == ("ada", "persistent"), given
    with refused("InvalidIdentityToken"):
        sts.assume_role_with_saml(**asked, SAMLAssertion=assertion[:-40])
    iam.delete_role(**role)
    iam.delete_saml_provider(**provider)
    with refused("NoSuchEntity"):
        iam.get_saml_provider(**provider)


@told("KMS's keys and their aliases are made, described, tagged and listed page by page, and what they encrypted is decrypted")
def _():
    key, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    managed = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
    assert managed["KeyManager"] == "AWS", managed
    kms.update_key_description(KeyId=key, Description="mine")
    kms.create_alias(AliasName="alias/a", TargetKeyId=key)
    kms.update_alias(AliasName="alias/a", TargetKeyId=other)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "1"}])
    assert every(kms, "list_resource_tags", "Tags", 1, KeyId=key) == [{"TagKey": "a", "TagValue": "1"}]
    kms.untag_resource(KeyId=key, TagKeys=["a"])
    assert {it["KeyId"] for it in every(kms, "list_keys", "Keys", 1)} == {key, other, managed["KeyId"]}
    assert [it["AliasName"] for it in every(kms, "list_aliases", "Aliases", 1)] == ["alias/a", "alias/aws/ebs"]

    context = {"a": "1"}
    blob = kms.encrypt(KeyId=key, Plaintext=b"attack at dawn", EncryptionContext=context)["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    kms.disable_key_rotation(KeyId=key)
    again = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=other)
    assert kms.decrypt(CiphertextBlob=again["CiphertextBlob"])["Plaintext"] == b"attack at dawn"
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=blob)

    assert len(kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]) == 32
    assert "Plaintext" not in kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=64)
    assert kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")["PrivateKeyPlaintext"]
    assert kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="ECC_NIST_P256")["PublicKey"]
    assert len(kms.generate_random(NumberOfBytes=5)["Plaintext"]) == 5
    mac = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    message = {"KeyId": mac, "Message": b"dawn", "MacAlgorithm": "HMAC_SHA_256"}
    assert kms.verify_mac(**message, Mac=kms.generate_mac(**message)["Mac"])["MacValid"]


@told("a KMS key has a policy and grants, is disabled, and is scheduled for deletion")
def _():
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    assert every(kms, "list_key_policies", "PolicyNames", 1, KeyId=key) == ["default"]
    root = sts.get_caller_identity()["Arn"]
    grant = {"KeyId": key, "GranteePrincipal": root, "RetiringPrincipal": root}
    revoked = kms.create_grant(**grant, Operations=["Encrypt"])["GrantId"]
    token = kms.create_grant(**grant, Operations=["Decrypt"])["GrantToken"]
    assert len(every(kms, "list_grants", "Grants", 1, KeyId=key)) == 2
    assert len(every(kms, "list_retirable_grants", "Grants", 1, RetiringPrincipal=root)) == 2
    kms.revoke_grant(KeyId=key, GrantId=revoked)
    kms.retire_grant(GrantToken=token)
    kms.delete_alias(AliasName="alias/a")
    kms.disable_key(KeyId=key)
    with refused("DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"dawn")
    kms.enable_key(KeyId=key)
    assert kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=key)


@told("the region names itself, its zones, and AWS's other regions")
def _():
    regions = {it["RegionName"]: it["Endpoint"] for it in ec2.describe_regions()["Regions"]}
    assert {region, "us-east-1", "eu-west-3", "ap-southeast-2"} <= regions.keys(), regions
    assert regions["eu-west-3"] == "ec2.eu-west-3.amazonaws.com", regions
    (one,) = ec2.describe_regions(RegionNames=[region])["Regions"]
    assert one["RegionName"] == region, one
    with refused("InvalidParameterValue"):
        ec2.describe_regions(RegionNames=["mars-north-1"])
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [it["ZoneName"] for it in zones] == [region + letter for letter in "abc"], zones
    with refused("InvalidParameterValue"):
        ec2.describe_availability_zones(ZoneNames=["mars-north-1a"])


@told("another region is its own, and one that AWS does not have is refused")
def _():
    paris = session.client("ec2", region_name="eu-west-3", **options)
    zones = paris.describe_availability_zones()["AvailabilityZones"]
    assert [it["ZoneName"] for it in zones] == ["eu-west-3a", "eu-west-3b", "eu-west-3c"], zones
    (here,), (there,) = ec2.describe_vpcs()["Vpcs"], paris.describe_vpcs()["Vpcs"]
    assert here["VpcId"] != there["VpcId"], here
    paris.get_waiter("vpc_available").wait(VpcIds=[there["VpcId"]])
    with refused("InvalidVpcID.NotFound"):
        ec2.describe_vpcs(VpcIds=[there["VpcId"]])
    with refused("AuthFailure"):
        session.client("ec2", region_name="mars-north-1", **options).describe_vpcs()


@told("a VPC of one's own has subnets, a way out and routes, and goes with them")
def _():
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2.modify_vpc_tenancy(VpcId=vpc, InstanceTenancy="default")
    more = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet])
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    range_of = {"SubnetId": subnet, "Cidr": "10.1.1.64/28", "ReservationType": "explicit"}
    reserved = ec2.create_subnet_cidr_reservation(**range_of)["SubnetCidrReservation"]
    assert ec2.get_subnet_cidr_reservations(SubnetId=subnet)["SubnetIpv4CidrReservations"] == [reserved]
    ec2.delete_subnet_cidr_reservation(SubnetCidrReservationId=reserved["SubnetCidrReservationId"])
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    waiter("internet_gateway_exists").wait(InternetGatewayIds=[gateway])
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert len(every(ec2, "describe_internet_gateways", "InternetGateways", 5)) == 2
    table, other = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    for _ in range(2):
        ec2.create_route(**route, GatewayId=gateway)
    with refused("RouteAlreadyExists"):
        ec2.create_route(**{**route, "DestinationCidrBlock": "10.0.0.0/16"}, GatewayId=gateway)
    ec2.replace_route(**route, GatewayId=gateway)
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    by_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (found,) = every(ec2, "describe_route_tables", "RouteTables", 5, Filters=by_subnet)
    assert found["RouteTableId"] == table, found
    association = ec2.replace_route_table_association(AssociationId=association, RouteTableId=other)["NewAssociationId"]
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=vpc)
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route(**route)
    for it in (table, other):
        ec2.delete_route_table(RouteTableId=it)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(AssociationId=more["AssociationId"])
    ec2.delete_vpc(VpcId=vpc)


def change_addresses(outer, second, inner):
    (elastic,) = ec2.associate_nat_gateway_address(NatGatewayId=outer, AllocationIds=[second])["NatGatewayAddresses"]
    ec2.disassociate_nat_gateway_address(NatGatewayId=outer, AssociationIds=[elastic["AssociationId"]])
    (own,) = ec2.assign_private_nat_gateway_address(NatGatewayId=inner, PrivateIpAddressCount=1)["NatGatewayAddresses"]
    ec2.unassign_private_nat_gateway_address(NatGatewayId=inner, PrivateIpAddresses=[own["PrivateIp"]])


@told("NAT gateways take elastic addresses, or private ones alone, and are shown after they are deleted")
def _():
    subnet = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]["SubnetId"]
    first, second = (ec2.allocate_address()["AllocationId"] for _ in range(2))
    create = lambda **more: ec2.create_nat_gateway(SubnetId=subnet, **more)["NatGateway"]["NatGatewayId"]
    both = [outer, inner] = [create(AllocationId=first), create(ConnectivityType="private")]
    waiter("nat_gateway_available").wait(NatGatewayIds=both)
    if hasattr(ec2, "associate_nat_gateway_address"):
        change_addresses(outer, second, inner)
    for it in both:
        ec2.delete_nat_gateway(NatGatewayId=it)
    waiter("nat_gateway_deleted").wait(NatGatewayIds=both)
    assert {it["State"] for it in every(ec2, "describe_nat_gateways", "NatGateways", 5)} == {"deleted"}
    for it in (first, second):
        ec2.release_address(AllocationId=it)


@told("a gateway endpoint has its routes in the tables that are chosen for it")
def _():
    vpc = ec2.create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
    (main,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    tables = [main["RouteTableId"]]
    services = every(ec2, "describe_vpc_endpoint_services", "ServiceNames", 1)
    (s3,) = (it for it in services if it.endswith(".s3"))
    with refused("InvalidServiceName"):
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.mars.s3")
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=s3, RouteTableIds=tables)["VpcEndpoint"]["VpcEndpointId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveRouteTableIds=tables)
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddRouteTableIds=tables)
    (found,) = every(ec2, "describe_vpc_endpoints", "VpcEndpoints", 5)
    assert (found["VpcEndpointId"], found["RouteTableIds"]) == (made, tables), found
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[made])["Unsuccessful"] == []
    ec2.delete_vpc(VpcId=vpc)


@told("two VPCs are peered, when the other one accepts")
def _():
    one, two = (ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"] for cidr in ("10.7.0.0/16", "10.8.0.0/16"))
    for vpc in (one, two):
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})

    def request():
        made = ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=two)["VpcPeeringConnection"]
        waiter("vpc_peering_connection_exists").wait(VpcPeeringConnectionIds=[made["VpcPeeringConnectionId"]])
        return made["VpcPeeringConnectionId"]

    first = request()
    ec2.reject_vpc_peering_connection(VpcPeeringConnectionId=first)
    with refused("InvalidStateTransition"):
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=first)
    second = request()
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=second)
    found = every(ec2, "describe_vpc_peering_connections", "VpcPeeringConnections", 5)
    assert sorted(it["Status"]["Code"] for it in found) == ["active", "rejected"], found
    options = {"AllowDnsResolutionFromRemoteVpc": True}
    changed = ec2.modify_vpc_peering_connection_options(
        VpcPeeringConnectionId=second, AccepterPeeringConnectionOptions=options
    )
    assert changed["AccepterPeeringConnectionOptions"]["AllowDnsResolutionFromRemoteVpc"], changed
    in_vpc = lambda vpc: ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    ((mine,), (theirs,)) = ([it["GroupId"] for it in in_vpc(vpc)] for vpc in (one, two))
    pair = {"GroupId": theirs, "VpcPeeringConnectionId": second}
    ec2.authorize_security_group_ingress(
        GroupId=mine, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [pair]}]
    )
    (reference,) = ec2.describe_security_group_references(GroupId=[theirs])["SecurityGroupReferenceSet"]
    assert reference["ReferencingVpcId"] == one, reference
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=second)
    (stale,) = every(ec2, "describe_stale_security_groups", "StaleSecurityGroupSet", 5, VpcId=one)
    assert stale["GroupId"] == mine, stale
    waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[second])
    for it in (one, two):
        ec2.delete_vpc(VpcId=it)


@told("an interface is another account's to attach while that is permitted")
def _():
    subnet = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]["SubnetId"]
    nic = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    granted = ec2.create_network_interface_permission(
        NetworkInterfaceId=nic, AwsAccountId="444455556666", Permission="INSTANCE-ATTACH"
    )["InterfacePermission"]
    (shown,) = every(ec2, "describe_network_interface_permissions", "NetworkInterfacePermissions", 5)
    assert shown == granted, shown
    ec2.delete_network_interface_permission(
        NetworkInterfacePermissionId=granted["NetworkInterfacePermissionId"]
    )
    ec2.delete_network_interface(NetworkInterfaceId=nic)


@told("a default VPC and its subnets are made again when they are gone")
def _():
    there = session.client("ec2", region_name="sa-east-1", **options)
    (vpc,) = there.describe_vpcs()["Vpcs"]
    for it in there.describe_subnets()["Subnets"]:
        there.delete_subnet(SubnetId=it["SubnetId"])
    made = there.create_default_subnet(AvailabilityZone="sa-east-1b")["Subnet"]
    there.delete_subnet(SubnetId=made["SubnetId"])
    (gateway,) = there.describe_internet_gateways()["InternetGateways"]
    there.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"])
    there.delete_vpc(VpcId=vpc["VpcId"])
    assert there.create_default_vpc()["Vpc"]["IsDefault"]


@told("the default VPC has a subnet in each zone")
def _():
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert sorted(it["AvailabilityZone"] for it in subnets) == [region + letter for letter in "abc"]
    assert all(it["MapPublicIpOnLaunch"] and it["DefaultForAz"] for it in subnets)
    ec2.get_waiter("vpc_exists").wait(VpcIds=[vpc["VpcId"]])
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc["VpcId"]])
    ec2.get_waiter("subnet_available").wait(SubnetIds=[it["SubnetId"] for it in subnets])
    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        described = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
        assert described[attribute[0].upper() + attribute[1:]] == {"Value": True}, described
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
    ec2.get_waiter("image_exists").wait(ImageIds=[image])
    ec2.get_waiter("image_available").wait(ImageIds=[image])
    with refused("AuthFailure"):
        ec2.deregister_image(ImageId=image)
    with refused("AuthFailure"):
        ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": "111122223333"}]})
    with refused("InvalidAMIID.NotFound"):
        ec2.describe_images(ImageIds=["ami-00000000000000000"])


@told("public parameters name the image")
def _():
    parameter = ssm.get_parameter(Name=release)["Parameter"]
    assert parameter["Value"] == image and parameter["Type"] == "String", parameter
    both = ssm.get_parameters(Names=[release, "/no/such"])
    assert (both["Parameters"], both["InvalidParameters"]) == ([parameter], ["/no/such"]), both
    found = every(ssm, "get_parameters_by_path", "Parameters", 1, Path="/aws/service", Recursive=True)
    assert {release} < {it["Name"] for it in found} and len(found) == len({it["Name"] for it in found}), found
    with refused("ParameterNotFound"):
        ssm.get_parameter(Name="/no/such")


@told("instance types come in pages, each once")
def _():
    names = [it["InstanceType"] for it in every(ec2, "describe_instance_types", "InstanceTypes", 100)]
    assert len(names) > 500 and len(names) == len(set(names)), len(names)
    (micro,) = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
    assert micro["VCpuInfo"]["DefaultVCpus"] == 2 and micro["MemoryInfo"]["SizeInMiB"] == 1024, micro
    with refused("InvalidInstanceType"):
        ec2.describe_instance_types(InstanceTypes=["t99.mega"])
    offered = every(ec2, "describe_instance_type_offerings", "InstanceTypeOfferings", 200)
    assert sorted(it["InstanceType"] for it in offered) == sorted(names)
    here = {"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": ["t3.micro"]}]}
    zones = [it["Location"] for it in ec2.describe_instance_type_offerings(**here)["InstanceTypeOfferings"]]
    assert zones == [region + letter for letter in "abc"], zones


@told("instance types are found by what they must have")
def _():
    wanted = {
        "ArchitectureTypes": ["x86_64"],
        "VirtualizationTypes": ["hvm"],
        "InstanceRequirements": {
            "VCpuCount": {"Min": 2, "Max": 2},
            "MemoryMiB": {"Min": 1024, "Max": 2048},
            "BurstablePerformance": "included",
        },
    }
    found = every(ec2, "get_instance_types_from_instance_requirements", "InstanceTypes", 3, **wanted)
    names = [it["InstanceType"] for it in found]
    assert {"t3.micro", "t3.small"} <= set(names) and len(names) == len(set(names)), names
    assert "t3.nano" not in names and "t4g.micro" not in names, names


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
    ec2.get_waiter("security_group_exists").wait(GroupIds=[group])

    mine = [{"Name": "group-id", "Values": [group]}]
    rules = every(ec2, "describe_security_group_rules", "SecurityGroupRules", 5, Filters=mine)
    assert sorted(it["IsEgress"] for it in rules) == [False, True, True], rules
    assert ec2.describe_security_group_references(GroupId=[group])["SecurityGroupReferenceSet"] == []
    described = [{**web[0], "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "web"}]}]
    assert ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=described)["Return"]
    assert ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=described)["Return"]
    rules = ec2.describe_security_group_rules(Filters=mine)["SecurityGroupRules"]
    assert [it["Description"] for it in rules if "Description" in it] == ["web", "web"], rules
    changed = {"IpProtocol": "tcp", "FromPort": 81, "ToPort": 81, "CidrIpv4": "10.0.0.0/8"}
    ruled = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": changed}]
    assert ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=ruled)["Return"]
    (rule,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])["SecurityGroupRules"]
    assert rule["FromPort"] == 81 and not rule["IsEgress"], rule
    ruled[0]["SecurityGroupRule"] = {**changed, "FromPort": 80, "ToPort": 80}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=ruled)
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.describe_security_group_rules(SecurityGroupRuleIds=["sgr-00000000000000000"])

    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web)
    again = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web)
    assert [it["FromPort"] for it in again["UnknownIpPermissions"]] == [80], "in the default VPC that is no error"
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=web)
    ec2.delete_security_group(GroupId=group)
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=[group])


@told("a network ACL's entries are numbered, and a subnet is in one ACL")
def _():
    (vpc,) = [it["VpcId"] for it in ec2.describe_vpcs()["Vpcs"] if it["IsDefault"]]
    made = [ec2.create_network_acl(VpcId=vpc)["NetworkAcl"] for _ in range(6)]
    acls = [it["NetworkAclId"] for it in made]
    assert [it["RuleNumber"] for it in made[0]["Entries"]] == [32767, 32767], made[0]
    listed = every(ec2, "describe_network_acls", "NetworkAcls", 5)
    assert {it["NetworkAclId"] for it in listed} >= set(acls), listed
    web = {"NetworkAclId": acls[0], "RuleNumber": 100, "Egress": False, "CidrBlock": "10.0.0.0/8"}
    web = {**web, "Protocol": "6", "PortRange": {"From": 80, "To": 80}, "RuleAction": "allow"}
    for _ in range(2):
        ec2.create_network_acl_entry(**web)
    with refused("NetworkAclEntryAlreadyExists"):
        ec2.create_network_acl_entry(**{**web, "RuleAction": "deny"})
    ec2.replace_network_acl_entry(**{**web, "RuleAction": "deny"})
    (acl,) = ec2.describe_network_acls(NetworkAclIds=acls[:1])["NetworkAcls"]
    (entry,) = [it for it in acl["Entries"] if it["RuleNumber"] == 100]
    assert (entry["RuleAction"], entry["PortRange"]) == ("deny", {"From": 80, "To": 80}), entry
    ec2.delete_network_acl_entry(NetworkAclId=acls[0], RuleNumber=100, Egress=False)
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2.delete_network_acl_entry(NetworkAclId=acls[0], RuleNumber=100, Egress=False)

    mine = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    (default,) = ec2.describe_network_acls(Filters=mine)["NetworkAcls"]
    there = default["Associations"][0]["NetworkAclAssociationId"]
    moved = ec2.replace_network_acl_association(AssociationId=there, NetworkAclId=acls[0])["NewAssociationId"]
    with refused("DependencyViolation"):
        ec2.delete_network_acl(NetworkAclId=acls[0])
    ec2.replace_network_acl_association(AssociationId=moved, NetworkAclId=default["NetworkAclId"])
    for acl in acls:
        ec2.delete_network_acl(NetworkAclId=acl)
    with refused("InvalidParameterValue"):
        ec2.delete_network_acl(NetworkAclId=default["NetworkAclId"])


@told("DHCP options are sets, of which a VPC has one")
def _():
    (vpc,) = [it for it in ec2.describe_vpcs()["Vpcs"] if it["IsDefault"]]
    office = [{"Key": "domain-name", "Values": ["corp.example"]}, {"Key": "ntp-servers", "Values": ["10.0.0.9"]}]
    made = [ec2.create_dhcp_options(DhcpConfigurations=office)["DhcpOptions"] for _ in range(6)]
    assert made[0]["DhcpConfigurations"][0] == {"Key": "domain-name", "Values": [{"Value": "corp.example"}]}, made[0]
    sets = [it["DhcpOptionsId"] for it in made]
    assert {it["DhcpOptionsId"] for it in every(ec2, "describe_dhcp_options", "DhcpOptions", 5)} >= set(sets)
    ec2.associate_dhcp_options(VpcId=vpc["VpcId"], DhcpOptionsId=sets[0])
    with refused("DependencyViolation"):
        ec2.delete_dhcp_options(DhcpOptionsId=sets[0])
    ec2.associate_dhcp_options(VpcId=vpc["VpcId"], DhcpOptionsId=vpc["DhcpOptionsId"])
    for each in sets:
        ec2.delete_dhcp_options(DhcpOptionsId=each)
    with refused("InvalidDhcpOptionID.NotFound"):
        ec2.describe_dhcp_options(DhcpOptionsIds=sets[:1])


@told("a prefix list has versions, and rules that name it keep it")
def _():
    made = []
    for n in range(6):
        entries = [{"Cidr": f"10.{n}.{third}.0/24"} for third in range(6)]
        listed = {"PrefixListName": f"list-{n}", "MaxEntries": 10, "AddressFamily": "IPv4", "Entries": entries}
        made.append(ec2.create_managed_prefix_list(**listed)["PrefixList"]["PrefixListId"])
    of_aws = every(ec2, "describe_prefix_lists", "PrefixLists", 1)
    assert {it["PrefixListName"].split(".")[-1] for it in of_aws} == {"s3", "dynamodb"}, of_aws
    found = every(ec2, "describe_managed_prefix_lists", "PrefixLists", 5)
    assert {it["PrefixListId"] for it in found} == {*made, *(it["PrefixListId"] for it in of_aws)}
    first = made[0]
    ec2.modify_managed_prefix_list(PrefixListId=first, CurrentVersion=1, RemoveEntries=[{"Cidr": "10.0.0.0/24"}])
    assert len(every(ec2, "get_managed_prefix_list_entries", "Entries", 2, PrefixListId=first)) == 5
    with refused("PrefixListVersionMismatch"):
        ec2.restore_managed_prefix_list_version(PrefixListId=first, PreviousVersion=1, CurrentVersion=1)
    ec2.restore_managed_prefix_list_version(PrefixListId=first, PreviousVersion=1, CurrentVersion=2)
    (now,) = ec2.describe_managed_prefix_lists(PrefixListIds=[first])["PrefixLists"]
    assert (now["Version"], now["State"]) == (3, "restore-complete"), now
    group = ec2.create_security_group(GroupName="of-list", Description="made by a test")["GroupId"]
    web = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": first}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[web])
    named = every(ec2, "get_managed_prefix_list_associations", "PrefixListAssociations", 5, PrefixListId=first)
    assert [it["ResourceId"] for it in named] == [group], named
    with refused("DependencyViolation"):
        ec2.delete_managed_prefix_list(PrefixListId=first)
    ec2.delete_security_group(GroupId=group)
    for each in made:
        ec2.delete_managed_prefix_list(PrefixListId=each)


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


@told("a launch template has versions, one of them the default")
def _():
    data = {"InstanceType": "t3.micro", "KeyName": "made", "ImageId": f"resolve:ssm:{release}"}
    made = ec2.create_launch_template(LaunchTemplateName="nano", LaunchTemplateData=data)["LaunchTemplate"]
    assert (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1), made
    with refused("InvalidLaunchTemplateName.AlreadyExistsException"):
        ec2.create_launch_template(LaunchTemplateName="nano", LaunchTemplateData=data)
    for kind in ("t3.small", "t3.nano"):
        ec2.create_launch_template_version(
            LaunchTemplateName="nano", SourceVersion="1", LaunchTemplateData={"InstanceType": kind}
        )
    changed = ec2.modify_launch_template(LaunchTemplateName="nano", DefaultVersion="3")["LaunchTemplate"]
    assert (changed["DefaultVersionNumber"], changed["LatestVersionNumber"]) == (3, 3), changed
    deleted = ec2.delete_launch_template_versions(LaunchTemplateName="nano", Versions=["1", "3"])
    assert [it["VersionNumber"] for it in deleted["SuccessfullyDeletedLaunchTemplateVersions"]] == [1], deleted
    assert [it["VersionNumber"] for it in deleted["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [3], deleted
    one_each = pages_of(ec2, "describe_launch_template_versions", "LaunchTemplateVersions", 1, LaunchTemplateName="nano")
    assert [[it["LaunchTemplateData"]["InstanceType"] for it in page] for page in one_each] == [["t3.nano"], ["t3.small"]]
    (found,) = every(ec2, "describe_launch_templates", "LaunchTemplates", 5)
    assert ec2.describe_launch_templates(LaunchTemplateNames=["nano"])["LaunchTemplates"] == [found]
    assert found == changed, found
    with refused("InvalidLaunchTemplateName.NotFoundException"):
        ec2.describe_launch_templates(LaunchTemplateNames=["none"])


@told("a placement group is made once")
def _():
    group = ec2.create_placement_group(GroupName="apart", Strategy="spread")["PlacementGroup"]
    assert (group["State"], group["Strategy"]) == ("available", "spread"), group
    with refused("InvalidPlacementGroup.Duplicate"):
        ec2.create_placement_group(GroupName="apart", Strategy="cluster")
    assert ec2.describe_placement_groups(GroupNames=["apart"])["PlacementGroups"] == [group]
    with refused("InvalidPlacementGroup.Unknown"):
        ec2.delete_placement_group(GroupName="none")


@told("an instance is launched from the template, and the waiters follow it")
def _():
    launched = ec2.run_instances(
        LaunchTemplate={"LaunchTemplateName": "nano"},
        Placement={"GroupName": "apart"},
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}],
        NetworkInterfaces=[{"DeviceIndex": 0, "DeleteOnTermination": False}],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[*tagged("instance", Name="boto"), *tagged("volume", Name="boto's")],
    )["Instances"][0]
    instance = nano["id"] = launched["InstanceId"]
    assert launched["State"]["Name"] == "pending", launched
    assert (launched["ImageId"], launched["InstanceType"]) == (image, "t3.nano"), launched
    with refused("InvalidPlacementGroup.InUse"):
        ec2.delete_placement_group(GroupName="apart")
    ec2.get_waiter("instance_exists").wait(InstanceIds=[instance])
    waiter("instance_running").wait(InstanceIds=[instance])
    waiter("instance_status_ok").wait(InstanceIds=[instance])
    waiter("system_status_ok").wait(InstanceIds=[instance])
    assert ec2.describe_instance_status()["InstanceStatuses"][0]["InstanceState"]["Name"] == "running"
    (described,) = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["bo*"]}])["Reservations"]
    (nic,) = described["Instances"][0]["NetworkInterfaces"]
    nano["interface"] = nic["NetworkInterfaceId"]
    mappings = {it["DeviceName"]: it["Ebs"]["VolumeId"] for it in described["Instances"][0]["BlockDeviceMappings"]}
    nano["data"] = mappings.pop("/dev/sdf")
    (nano["root"],) = mappings.values()
    assert described["Instances"][0]["PublicIpAddress"] == nic["Association"]["PublicIp"]
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[nic["NetworkInterfaceId"]])["NetworkInterfaces"]
    assert found["Attachment"]["InstanceId"] == instance and found["Status"] == "in-use", found
    waiter("volume_in_use").wait(VolumeIds=[nano["root"], nano["data"]])
    found = ec2.describe_volumes(Filters=[{"Name": "tag:Name", "Values": ["boto's"]}])["Volumes"]
    assert [it["Attachments"][0]["InstanceId"] for it in found] == [instance, instance], found
    output = wait_for(lambda: ec2.get_console_output(InstanceId=instance).get("Output", ""), console)
    assert console in output, output[-500:]
    data = ec2.get_launch_template_data(InstanceId=instance)["LaunchTemplateData"]
    assert (data["ImageId"], data["InstanceType"], data["KeyName"]) == (image, "t3.nano", "made"), data
    assert ec2.get_password_data(InstanceId=instance)["PasswordData"] == "", "only Windows has passwords"
    screen = ec2.get_console_screenshot(InstanceId=instance, WakeUp=True)
    assert screen["InstanceId"] == instance
    assert base64.b64decode(screen["ImageData"]).startswith(b"\xff\xd8\xff"), "a JPEG"


@told("every list with a paginator gives the same in pages as at once")
def _():
    for operation, member in (
        ("describe_images", "Images"),
        ("describe_instance_credit_specifications", "InstanceCreditSpecifications"),
        ("describe_instance_status", "InstanceStatuses"),
        ("describe_instances", "Reservations"),
        ("describe_network_interfaces", "NetworkInterfaces"),
        ("describe_security_groups", "SecurityGroups"),
        ("describe_subnets", "Subnets"),
        ("describe_volume_status", "VolumeStatuses"),
        ("describe_volumes", "Volumes"),
        ("describe_vpcs", "Vpcs"),
    ):
        if not ec2.can_paginate(operation):
            continue
        at_once = getattr(ec2, operation)()[member]
        assert at_once and every(ec2, operation, member, 5) == at_once, operation


@told("a running instance's options change")
def _():
    instance = nano["id"]
    options = ec2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="required", HttpPutResponseHopLimit=2)
    assert options["InstanceMetadataOptions"]["HttpTokens"] == "required", options
    maintained = ec2.modify_instance_maintenance_options(InstanceId=instance, AutoRecovery="disabled")
    assert maintained["AutoRecovery"] == "disabled", maintained
    for change, state in ((ec2.monitor_instances, "enabled"), (ec2.unmonitor_instances, "disabled")):
        change(InstanceIds=[instance])
        assert described(instance)["Monitoring"]["State"] == state
    assert described(instance)["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    nic = described(instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=nic, Description={"Value": "boto's"})
    (found,) = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": ["boto's"]}])["NetworkInterfaces"]
    assert found["NetworkInterfaceId"] == nic, found
    with refused("InvalidNetworkInterfaceID.NotFound"):
        ec2.modify_network_interface_attribute(NetworkInterfaceId="eni-00000000000000000", Groups=[])
    (credits,) = ec2.describe_instance_credit_specifications()["InstanceCreditSpecifications"]
    assert credits == {"InstanceId": instance, "CpuCredits": "unlimited"}, credits
    changed = ec2.modify_instance_credit_specification(
        InstanceCreditSpecifications=[
            {"InstanceId": instance, "CpuCredits": "standard"},
            {"InstanceId": "i-00000000000000000", "CpuCredits": "standard"},
        ]
    )
    assert changed["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": instance}], changed
    (failed,) = changed["UnsuccessfulInstanceCreditSpecifications"]
    assert failed["Error"]["Code"] == "InvalidInstanceID.NotFound", failed


@told("a running instance is given a role by a profile, another one, and none")
def _():
    instance = nano["id"]
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=BY_EC2)
    for name in ("first", "second"):
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="reader")
    made = ec2.associate_iam_instance_profile(InstanceId=instance, IamInstanceProfile={"Name": "first"})["IamInstanceProfileAssociation"]
    assert made["State"] == "associating", made
    with refused("IncorrectState"):
        ec2.associate_iam_instance_profile(InstanceId=instance, IamInstanceProfile={"Name": "second"})
    other = ec2.replace_iam_instance_profile_association(
        AssociationId=made["AssociationId"], IamInstanceProfile={"Arn": "arn:aws:iam::000000000000:instance-profile/second"}
    )["IamInstanceProfileAssociation"]
    assert described(instance)["IamInstanceProfile"] == other["IamInstanceProfile"]
    (found,) = every(ec2, "describe_iam_instance_profile_associations", "IamInstanceProfileAssociations", 5)
    assert found == {**other, "State": "associated"}, found
    ec2.disassociate_iam_instance_profile(AssociationId=other["AssociationId"])
    with refused("NoSuchAssociation"):
        ec2.disassociate_iam_instance_profile(AssociationId=other["AssociationId"])
    assert "IamInstanceProfile" not in described(instance)
    for name in ("first", "second"):
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName="reader")
        iam.delete_instance_profile(InstanceProfileName=name)
    iam.delete_role(RoleName="reader")


@told("an interface is made, given and denied addresses, attached and detached, and deleted")
def _():
    (instance,) = ec2.describe_instances(InstanceIds=[nano["id"]])["Reservations"][0]["Instances"]
    subnet = instance["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    assigned = ec2.assign_private_ip_addresses(NetworkInterfaceId=made, SecondaryPrivateIpAddressCount=1)
    addresses = [it["PrivateIpAddress"] for it in assigned["AssignedPrivateIpAddresses"]]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=made, PrivateIpAddresses=addresses)
    (prefix,) = ec2.assign_private_ip_addresses(NetworkInterfaceId=made, Ipv4PrefixCount=1)["AssignedIpv4Prefixes"]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=made, Ipv4Prefixes=[prefix["Ipv4Prefix"]])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=made, SourceDestCheck={"Value": False})
    ec2.reset_network_interface_attribute(NetworkInterfaceId=made, SourceDestCheck="true")
    check = ec2.describe_network_interface_attribute(NetworkInterfaceId=made, Attribute="sourceDestCheck")
    assert check["SourceDestCheck"]["Value"] is True, check
    to = {"NetworkInterfaceId": made, "InstanceId": nano["id"]}
    with refused("InvalidParameterValue"):
        ec2.attach_network_interface(DeviceIndex=0, **to)
    attachment = ec2.attach_network_interface(DeviceIndex=1, **to)["AttachmentId"]
    with refused("InvalidParameterValue"):
        ec2.delete_network_interface(NetworkInterfaceId=made)
    ec2.detach_network_interface(AttachmentId=attachment, Force=True)
    waiter("network_interface_available").wait(NetworkInterfaceIds=[made])
    ec2.delete_network_interface(NetworkInterfaceId=made)
    with refused("InvalidNetworkInterfaceID.NotFound"):
        ec2.delete_network_interface(NetworkInterfaceId=made)


@told("a volume is made, its status and attribute described, attached and detached, and deleted")
def _():
    zone = described(nano["id"])["Placement"]["AvailabilityZone"]
    wanted = {"AvailabilityZone": zone, "Size": 4, "VolumeType": "gp3", "ClientToken": "volume"}
    volume = ec2.create_volume(**wanted)["VolumeId"]
    assert ec2.create_volume(**wanted)["VolumeId"] == volume
    with refused("InvalidParameterCombination"):
        ec2.create_volume(AvailabilityZone=zone, Size=4, VolumeType="io2")
    waiter("volume_available").wait(VolumeIds=[volume])
    (status,) = ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"]
    assert status["VolumeStatus"]["Status"] == "ok", status
    ec2.modify_volume_attribute(VolumeId=volume, AutoEnableIO={"Value": True})
    attribute = ec2.describe_volume_attribute(VolumeId=volume, Attribute="autoEnableIO")
    assert attribute["AutoEnableIO"]["Value"] is True, attribute
    ec2.enable_volume_io(VolumeId=volume)
    modifying = ec2.modify_volume(VolumeId=volume, Size=5)["VolumeModification"]
    assert (modifying["OriginalSize"], modifying["TargetSize"]) == (4, 5), modifying
    state = lambda: every(ec2, "describe_volumes_modifications", "VolumesModifications", 5)[0]["ModificationState"]
    assert wait_for(state, "completed") == "completed"
    to = {"VolumeId": volume, "InstanceId": nano["id"]}
    with refused("InvalidParameterValue"):
        ec2.attach_volume(Device="/dev/sdf", **to)
    assert ec2.attach_volume(Device="/dev/sdg", **to)["State"] == "attaching"
    waiter("volume_in_use").wait(VolumeIds=[volume])
    with refused("VolumeInUse"):
        ec2.delete_volume(VolumeId=volume)
    assert ec2.detach_volume(Force=True, **to)["State"] == "detaching"
    waiter("volume_available").wait(VolumeIds=[volume])
    ec2.delete_volume(VolumeId=volume)
    waiter("volume_deleted").wait(VolumeIds=[volume])


@told("a volume with Multi-Attach, enabled after it was made, is detached from the instance that is named")
def _():
    zone = described(nano["id"])["Placement"]["AvailabilityZone"]
    wanted = {"AvailabilityZone": zone, "Size": 4}
    with refused("InvalidParameterCombination"):
        ec2.create_volume(VolumeType="gp3", MultiAttachEnabled=True, **wanted)
    volume = ec2.create_volume(VolumeType="io2", Iops=100, **wanted)["VolumeId"]
    waiter("volume_available").wait(VolumeIds=[volume])
    modifying = ec2.modify_volume(VolumeId=volume, MultiAttachEnabled=True)["VolumeModification"]
    assert modifying["TargetMultiAttachEnabled"] is True, modifying
    enabled = lambda: [it["MultiAttachEnabled"] for it in ec2.describe_volumes(VolumeIds=[volume])["Volumes"]]
    assert wait_for(enabled, True) == [True]
    to = {"VolumeId": volume, "InstanceId": nano["id"]}
    ec2.attach_volume(Device="/dev/sdg", **to)
    waiter("volume_in_use").wait(VolumeIds=[volume])
    with refused("IncorrectState"):
        ec2.modify_volume(VolumeId=volume, MultiAttachEnabled=False)
    with refused("MissingParameter"):
        ec2.detach_volume(VolumeId=volume)
    assert ec2.detach_volume(Force=True, **to)["State"] == "detaching"
    waiter("volume_available").wait(VolumeIds=[volume])
    ec2.delete_volume(VolumeId=volume)


@told("snapshots are made, found in pages, shared, locked, copied, made volumes of, and deleted")
def _():
    zone = described(nano["id"])["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=4)["VolumeId"]
    waiter("volume_available").wait(VolumeIds=[volume])
    first = ec2.create_snapshot(VolumeId=volume, Description="before")["SnapshotId"]
    together = ec2.create_snapshots(InstanceSpecification={"InstanceId": nano["id"]}, CopyTagsFromSource="volume")
    ids = [first, *(it["SnapshotId"] for it in together["Snapshots"])]
    waiter("snapshot_completed").wait(SnapshotIds=ids)
    while len(ids) < 6:
        ids.append(ec2.copy_snapshot(SourceRegion=region, SourceSnapshotId=first)["SnapshotId"])
    assert page_sizes("describe_snapshots", "Snapshots", 5, OwnerIds=["self"]) == [5, len(ids) - 5]
    assert page_sizes("describe_snapshot_tier_status", "SnapshotTierStatuses", 5) == [5, len(ids) - 5]
    attribute = {"SnapshotId": first, "Attribute": "createVolumePermission"}
    ec2.modify_snapshot_attribute(OperationType="add", UserIds=["123456789012"], **attribute)
    shared = lambda: ec2.describe_snapshot_attribute(**attribute)["CreateVolumePermissions"]
    assert shared() == [{"UserId": "123456789012"}], shared()
    ec2.reset_snapshot_attribute(**attribute)
    assert shared() == [], shared()
    if hasattr(ec2, "lock_snapshot"):
        ec2.lock_snapshot(SnapshotId=first, LockMode="governance", LockDuration=1)
        (locked,) = ec2.describe_locked_snapshots()["Snapshots"]
        assert (locked["SnapshotId"], locked["LockState"]) == (first, "governance"), locked
        with refused("OperationNotPermitted"):
            ec2.delete_snapshot(SnapshotId=first)
        ec2.unlock_snapshot(SnapshotId=first)
    (of_root,) = [it["SnapshotId"] for it in together["Snapshots"] if it["VolumeId"] == nano["root"]]
    listed = ebs.list_snapshot_blocks(SnapshotId=of_root, MaxResults=100)
    assert listed["BlockSize"] == 512 * 1024, listed
    block = listed["Blocks"][0]
    read = ebs.get_snapshot_block(SnapshotId=of_root, **block)
    data = read["BlockData"].read()
    assert len(data) == read["DataLength"] == 512 * 1024, read
    assert base64.b64encode(hashlib.sha256(data).digest()).decode() == read["Checksum"], read
    assert ebs.list_changed_blocks(SecondSnapshotId=of_root)["ChangedBlocks"][0]["BlockIndex"] == block["BlockIndex"]
    with refused("ValidationException"):
        ebs.get_snapshot_block(SnapshotId=first, **block)
    with refused("InvalidParameterValue"):
        ec2.create_volume(AvailabilityZone=zone, SnapshotId=first, Size=3)
    restored = ec2.create_volume(AvailabilityZone=zone, SnapshotId=first)["VolumeId"]
    waiter("volume_available").wait(VolumeIds=[restored])
    for snapshot in ids:
        ec2.delete_snapshot(SnapshotId=snapshot)
    with refused("InvalidSnapshot.NotFound"):
        ec2.delete_snapshot(SnapshotId=first)
    with refused("ResourceNotFoundException"):
        ebs.list_snapshot_blocks(SnapshotId=first)
    for each in (volume, restored):
        ec2.delete_volume(VolumeId=each)
    waiter("volume_deleted").wait(VolumeIds=[volume, restored])


@told("a snapshot is written block by block over another, completed, and has those bytes")
def _():
    digest = lambda data: hashlib.sha256(data).digest()
    text = lambda data: base64.b64encode(data).decode()
    started = ebs.start_snapshot(VolumeSize=1, Tags=[{"Key": "a", "Value": "b"}])
    parent, size = started["SnapshotId"], started["BlockSize"]
    assert (started["Status"], started["Tags"]) == ("pending", [{"Key": "a", "Value": "b"}]), started
    written = b"written ".ljust(size, b"\xff")
    block = {"SnapshotId": parent, "BlockIndex": 9, "DataLength": size, "ChecksumAlgorithm": "SHA256"}
    with refused("ValidationException"):
        ebs.put_snapshot_block(**block, BlockData=written, Checksum=text(digest(b"other")))
    put = lambda: ebs.put_snapshot_block(**block, BlockData=written, Checksum=text(digest(written)))
    assert put()["Checksum"] == text(digest(written))
    with refused("ValidationException"):
        ebs.complete_snapshot(SnapshotId=parent, ChangedBlocksCount=2)
    ebs.complete_snapshot(
        SnapshotId=parent,
        ChangedBlocksCount=1,
        Checksum=text(digest(digest(written))),
        ChecksumAlgorithm="SHA256",
        ChecksumAggregationMethod="LINEAR",
    )
    waiter("snapshot_completed").wait(SnapshotIds=[parent])
    with refused("ValidationException"):
        put()
    snapshot = ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=parent)["SnapshotId"]
    ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=0)
    waiter("snapshot_completed").wait(SnapshotIds=[snapshot])
    (listed,) = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    assert listed["BlockIndex"] == 9, listed
    assert ebs.get_snapshot_block(SnapshotId=snapshot, **listed)["BlockData"].read() == written
    for it in (parent, snapshot):
        ec2.delete_snapshot(SnapshotId=it)


@told("images are made of an instance and of a snapshot, described, shared, disabled, protected, and deregistered")
def _():
    made = ec2.create_image(InstanceId=nano["id"], Name="made", NoReboot=True)["ImageId"]
    waiter("image_available").wait(ImageIds=[made])
    (own,) = ec2.describe_images(Owners=["self"])["Images"]
    assert own["ImageId"] == made, own
    snapshot = own["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    registered = ec2.register_image(
        Name="registered",
        Architecture="x86_64",
        VirtualizationType="hvm",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
    with refused("InvalidAMIName.Duplicate"):
        ec2.create_image(InstanceId=nano["id"], Name="made")
    copy = ec2.copy_image(SourceRegion=region, SourceImageId=made, Name="copied")["ImageId"]
    waiter("image_available").wait(ImageIds=[copy])
    (copied,) = ec2.describe_images(ImageIds=[copy])["Images"]
    if hasattr(ec2, "get_image_ancestry"):
        ancestry = ec2.get_image_ancestry(ImageId=copy)["ImageAncestryEntries"]
        assert [it["ImageId"] for it in ancestry] == [copy, made, image], ancestry
    ec2.deregister_image(ImageId=copy)
    ec2.delete_snapshot(SnapshotId=copied["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    with refused("InvalidSnapshot.InUse"):
        ec2.delete_snapshot(SnapshotId=snapshot)
    ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [{"UserId": "123456789012"}]})
    permissions = {"ImageId": made, "Attribute": "launchPermission"}
    shared = lambda: ec2.describe_image_attribute(**permissions)["LaunchPermissions"]
    assert shared() == [{"UserId": "123456789012"}], shared()
    with refused("AuthFailure"):
        ec2.cancel_image_launch_permission(ImageId=made)
    mine = sts.get_caller_identity()["Account"]
    ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [{"UserId": mine}]})
    assert ec2.cancel_image_launch_permission(ImageId=made)["Return"]
    assert shared() == [{"UserId": "123456789012"}], shared()
    ec2.reset_image_attribute(**permissions)
    assert shared() == [], shared()
    if hasattr(ec2, "disable_image"):
        ec2.disable_image(ImageId=made)
        ec2.enable_image(ImageId=made)
    ec2.enable_image_deprecation(ImageId=made, DeprecateAt=datetime.now(timezone.utc) + timedelta(days=1))
    ec2.disable_image_deprecation(ImageId=made)
    if hasattr(ec2, "enable_image_deregistration_protection"):
        ec2.enable_image_deregistration_protection(ImageId=made)
        with refused("OperationNotPermitted"):
            ec2.deregister_image(ImageId=made)
        ec2.disable_image_deregistration_protection(ImageId=made)
    for each in (made, registered):
        ec2.deregister_image(ImageId=each)
    ec2.delete_snapshot(SnapshotId=snapshot)


@told("a running instance's root volume is replaced, and its tasks are listed page by page")
def _():
    of = {"InstanceId": nano["id"], "DeleteReplacedRootVolume": True}
    for source in ({}, {"ImageId": image}):
        waiter("instance_status_ok").wait(InstanceIds=[nano["id"]])  # a guest that boots does not hear that it is to shut down
        made = ec2.create_replace_root_volume_task(**of, **source)["ReplaceRootVolumeTask"]
        ids = [made["ReplaceRootVolumeTaskId"]]
        tasks = lambda: ec2.describe_replace_root_volume_tasks(ReplaceRootVolumeTaskIds=ids)["ReplaceRootVolumeTasks"]
        assert wait_for(lambda: tasks()[0]["TaskState"], "succeeded", 300) == "succeeded", tasks()
        waiter("volume_deleted").wait(VolumeIds=[nano["root"]])
        (root, *_) = [
            it["Ebs"]["VolumeId"]
            for it in described(nano["id"])["BlockDeviceMappings"]
            if it["DeviceName"] == "/dev/xvda"
        ]
        assert root != nano["root"], root
        nano["root"] = root
    mine = [{"Name": "instance-id", "Values": [nano["id"]]}]
    assert page_sizes("describe_replace_root_volume_tasks", "ReplaceRootVolumeTasks", 1, Filters=mine) == [1, 1]
    with refused("InvalidParameterCombination"):
        ec2.create_replace_root_volume_task(**of, ImageId=image, SnapshotId="snap-00000000000000000")


@told("disks are imported as images and snapshots, by tasks that are described in pages and canceled")
def _():
    disk = {"Url": disk_url, "Format": "VMDK"}
    tasks = [ec2.import_snapshot(DiskContainer=disk)["ImportTaskId"] for _ in range(2)]
    if "snapshot_imported" in ec2.waiter_names:
        waiter("snapshot_imported").wait(ImportTaskIds=tasks)
    assert page_sizes("describe_import_snapshot_tasks", "ImportSnapshotTasks", 1) == [1, 1]
    task = ec2.import_image(DiskContainers=[disk])["ImportTaskId"]
    canceled = ec2.import_image(DiskContainers=[{"Url": slow_disk_url, "Format": "VMDK"}])["ImportTaskId"]
    assert ec2.cancel_import_task(ImportTaskId=canceled)["PreviousState"] == "active"
    state = lambda each: ec2.describe_import_image_tasks(ImportTaskIds=[each])["ImportImageTasks"][0]
    assert "completed" in wait_for(lambda: [state(task)["Status"]], "completed"), state(task)
    assert "deleted" in wait_for(lambda: [state(canceled)["Status"]], "deleted"), state(canceled)
    of_snapshots = lambda: ec2.describe_import_snapshot_tasks(ImportTaskIds=tasks)["ImportSnapshotTasks"]
    ended = lambda: [all(it["SnapshotTaskDetail"]["Status"] == "completed" for it in of_snapshots())]
    assert wait_for(ended, True) == [True], of_snapshots()
    assert page_sizes("describe_import_image_tasks", "ImportImageTasks", 1) == [1, 1]
    with refused("IncorrectState"):
        ec2.cancel_import_task(ImportTaskId=canceled)
    ec2.deregister_image(ImageId=state(task)["ImageId"])
    for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        ec2.delete_snapshot(SnapshotId=each["SnapshotId"])
    with refused("InvalidBucketName"):
        ec2.import_snapshot(DiskContainer={"UserBucket": {"S3Bucket": "IMAGES", "S3Key": "disk.vmdk"}})


@told("images are exported and stored as objects, and restored, by tasks that are described in pages and canceled")
def _():
    task = ec2.import_image(DiskContainers=[{"Url": disk_url, "Format": "VMDK"}])["ImportTaskId"]
    imported = lambda: ec2.describe_import_image_tasks(ImportTaskIds=[task])["ImportImageTasks"][0]
    assert "completed" in wait_for(lambda: [imported()["Status"]], "completed"), imported()
    own = imported()["ImageId"]
    to = lambda bucket: {"ImageId": own, "DiskImageFormat": "VMDK", "S3ExportLocation": {"S3Bucket": bucket}}
    whole, canceled = [ec2.export_image(**to(it))["ExportImageTaskId"] for it in ("exports", "endless-exports")]
    ec2.cancel_export_task(ExportTaskId=canceled)
    described = lambda each: ec2.describe_export_image_tasks(ExportImageTaskIds=[each])["ExportImageTasks"]
    states = lambda each: [it["Status"] for it in described(each)]
    assert "completed" in wait_for(lambda: states(whole), "completed"), described(whole)
    assert "deleted" in wait_for(lambda: states(canceled), "deleted"), described(canceled)
    assert page_sizes("describe_export_image_tasks", "ExportImageTasks", 1) == [1, 1]
    with refused("IncorrectState"):
        ec2.cancel_export_task(ExportTaskId=whole)
    key = ec2.create_store_image_task(ImageId=own, Bucket="exports")["ObjectKey"]
    stores = lambda: ec2.describe_store_image_tasks(ImageIds=[own])["StoreImageTaskResults"]
    assert "Completed" in wait_for(lambda: [it["StoreTaskState"] for it in stores()], "Completed"), stores()
    if "store_image_task_complete" in ec2.waiter_names:
        waiter("store_image_task_complete").wait(ImageIds=[own])
    assert page_sizes("describe_store_image_tasks", "StoreImageTaskResults", 1) == [1]
    restored = ec2.create_restore_image_task(ObjectKey=key, Bucket="exports", Name="restored")["ImageId"]
    waiter("image_available").wait(ImageIds=[restored])
    with refused("NoSuchKey"):
        ec2.create_restore_image_task(ObjectKey="absent.bin", Bucket="exports", Name="absent")
    for each in (own, restored):
        ec2.deregister_image(ImageId=each)
    for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        ec2.delete_snapshot(SnapshotId=each["SnapshotId"])


@told("lifecycle policies are made, changed, tagged and deleted")
def _():
    by_dlm = {"Effect": "Allow", "Principal": {"Service": "dlm.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [by_dlm]})
    role = iam.create_role(RoleName="lifecycle", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    details = {
        "ResourceTypes": ["VOLUME"],
        "TargetTags": [{"Key": "backup", "Value": "daily"}],
        "Schedules": [{"CreateRule": {"Interval": 24, "IntervalUnit": "HOURS"}, "RetainRule": {"Count": 7}}],
    }
    wanted = {"ExecutionRoleArn": role, "Description": "each day", "State": "ENABLED", "PolicyDetails": details}
    policy = dlm.create_lifecycle_policy(**wanted)["PolicyId"]
    dlm.update_lifecycle_policy(PolicyId=policy, State="DISABLED")
    assert [it["PolicyId"] for it in dlm.get_lifecycle_policies(State="DISABLED")["Policies"]] == [policy]
    arn = dlm.get_lifecycle_policy(PolicyId=policy)["Policy"]["PolicyArn"]
    dlm.tag_resource(ResourceArn=arn, Tags={"team": "a", "stage": "b"})
    dlm.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert dlm.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"stage": "b"}
    dlm.delete_lifecycle_policy(PolicyId=policy)
    with refused("ResourceNotFoundException"):
        dlm.get_lifecycle_policy(PolicyId=policy)
    iam.delete_role(RoleName="lifecycle")


@told("the recycle bin keeps what is deleted, by rules that are tagged, listed in pages, locked, and deleted")
def _():
    # The rule that stays locked keeps nothing that other tests delete.
    rbin = session.client("rbin", region_name="eu-north-1", **options)
    there = session.client("ec2", region_name="eu-north-1", **options)
    note_conveniences(rbin)
    note_conveniences(there)
    week = {"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"}
    with_volumes = hasattr(there, "restore_volume_from_recycle_bin")
    types = ["EBS_SNAPSHOT", "EC2_IMAGE", "EC2_IMAGE", *(["EBS_VOLUME"] if with_volumes else [])]
    made = [rbin.create_rule(ResourceType=it, RetentionPeriod=week) for it in types]
    of_snapshots, of_images, locked, *of_volumes = [it["Identifier"] for it in made]
    assert rbin.get_rule(Identifier=of_snapshots)["RetentionPeriod"] == week
    account = sts.get_caller_identity()["Account"]
    arn = f"arn:aws:rbin:eu-north-1:{account}:rule/{of_snapshots}"
    rbin.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}])
    assert rbin.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    rbin.untag_resource(ResourceArn=arn, TagKeys=["team"])
    pages = pages_of(rbin, "list_rules", "Rules", 1, ResourceType="EC2_IMAGE")
    assert sorted(it["Identifier"] for page in pages for it in page) == sorted([of_images, locked]), pages
    changed = rbin.update_rule(Identifier=of_snapshots, Description="mine")
    assert changed["Description"] == "mine", changed
    if hasattr(rbin, "lock_rule"):
        delay = {"UnlockDelayValue": 7, "UnlockDelayUnit": "DAYS"}
        rbin.lock_rule(Identifier=locked, LockConfiguration={"UnlockDelay": delay})
        with refused("ConflictException"):
            rbin.delete_rule(Identifier=locked)
        assert rbin.unlock_rule(Identifier=locked)["LockState"] == "pending_unlock"

    volume = there.create_volume(AvailabilityZone="eu-north-1a", Size=1)["VolumeId"]
    there.get_waiter("volume_available").wait(VolumeIds=[volume])
    snapshot = there.create_snapshot(VolumeId=volume)["SnapshotId"]
    there.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot])
    disk = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}
    kept = {"Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": "/dev/sda1"}
    kept_image = there.register_image(Name="kept", BlockDeviceMappings=[disk], **kept)["ImageId"]
    there.deregister_image(ImageId=kept_image)
    there.delete_snapshot(SnapshotId=snapshot)
    ((found,),) = pages_of(there, "list_snapshots_in_recycle_bin", "Snapshots", 5)
    assert (found["SnapshotId"], found["VolumeId"]) == (snapshot, volume), found
    assert found["RecycleBinExitTime"] - found["RecycleBinEnterTime"] == timedelta(days=7), found
    ((found,),) = pages_of(there, "list_images_in_recycle_bin", "Images", 5)
    assert (found["ImageId"], found["Name"]) == (kept_image, "kept"), found
    with refused("InvalidSnapshot.NotFound"):
        there.restore_image_from_recycle_bin(ImageId=kept_image)
    assert there.restore_snapshot_from_recycle_bin(SnapshotId=snapshot)["State"] == "completed"
    assert there.restore_image_from_recycle_bin(ImageId=kept_image)["Return"]
    if with_volumes:
        there.delete_volume(VolumeId=volume)
        ((found,),) = pages_of(there, "list_volumes_in_recycle_bin", "Volumes", 5)
        assert (found["VolumeId"], found["State"]) == (volume, "available"), found
        there.restore_volume_from_recycle_bin(VolumeId=volume)
    for it in (of_snapshots, of_images, *of_volumes):
        rbin.delete_rule(Identifier=it)
    with refused("ResourceNotFoundException"):
        rbin.get_rule(Identifier=of_snapshots)


@told("an elastic address is allocated, mapped to the instance, and released")
def _():
    instance = nano["id"]
    one, spare = ec2.allocate_address(Domain="vpc"), ec2.allocate_address()
    ids = [it["AllocationId"] for it in (one, spare)]
    association = ec2.associate_address(AllocationId=ids[0], InstanceId=instance)["AssociationId"]
    assert described(instance)["PublicIpAddress"] == one["PublicIp"]
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=ids[0])
    (address,) = ec2.describe_addresses(PublicIps=[one["PublicIp"]])["Addresses"]
    assert (address["AssociationId"], address["InstanceId"]) == (association, instance), address
    ec2.disassociate_address(AssociationId=association)
    attributes = ec2.describe_addresses_attribute(Attribute="domain-name")["Addresses"]
    assert {it["AllocationId"] for it in attributes} == set(ids), attributes
    if ec2.can_paginate("describe_addresses_attribute"):
        assert every(ec2, "describe_addresses_attribute", "Addresses", 1) == attributes
    for it in ids:
        ec2.release_address(AllocationId=it)
    with refused("InvalidAllocationID.NotFound"):
        ec2.release_address(AllocationId=ids[0])


@told("a stopped instance's attributes change, and its protections hold")
def _():
    instance = nano["id"]
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t3.micro"})
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiStop={"Value": True})
    with refused("OperationNotPermitted"):
        ec2.stop_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiStop={"Value": False})
    ec2.reboot_instances(InstanceIds=[instance])
    ec2.stop_instances(InstanceIds=[instance], Force=True)
    waiter("instance_stopped").wait(InstanceIds=[instance])
    with refused("IncorrectInstanceState"):
        ec2.reboot_instances(InstanceIds=[instance])

    ec2.modify_private_dns_name_options(
        InstanceId=instance, PrivateDnsHostnameType="resource-name", EnableResourceNameDnsARecord=True
    )
    assert described(instance)["PrivateDnsName"].startswith(f"{instance}."), described(instance)
    group = described(instance)["SecurityGroups"][0]["GroupId"]
    for attribute, value, shown in (
        ("InstanceType", "t3.micro", "t3.micro"),
        ("InstanceType", "t3.nano", "t3.nano"),
        ("UserData", b"#!/bin/true", "IyEvYmluL3RydWU="),
        ("EbsOptimized", True, True),
        ("InstanceInitiatedShutdownBehavior", "terminate", "terminate"),
        ("SourceDestCheck", False, False),
        ("DisableApiTermination", True, True),
    ):
        ec2.modify_instance_attribute(InstanceId=instance, **{attribute: {"Value": value}})
        assert attribute_of(instance, attribute)["Value"] == shown, attribute
    with refused("OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, Attribute="disableApiTermination", Value="false")
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[group])
    assert [it["GroupId"] for it in attribute_of(instance, "GroupSet", "Groups")] == [group]
    ec2.reset_instance_attribute(InstanceId=instance, Attribute="sourceDestCheck")
    assert attribute_of(instance, "SourceDestCheck")["Value"] is True
    with refused("InvalidInstanceID.NotFound"):
        ec2.describe_instance_attribute(InstanceId="i-00000000000000000", Attribute="userData")


@told("an instance is started again, stopped and terminated, and leaves what was to be kept")
def _():
    instance = nano["id"]
    ec2.start_instances(InstanceIds=[instance])
    waiter("instance_running").wait(InstanceIds=[instance])
    ec2.stop_instances(InstanceIds=[instance], Force=True)
    waiter("instance_stopped").wait(InstanceIds=[instance])
    (change,) = ec2.terminate_instances(InstanceIds=[instance])["TerminatingInstances"]
    assert change["PreviousState"]["Name"] == "stopped", change
    waiter("instance_terminated").wait(InstanceIds=[instance])
    waiter("volume_deleted").wait(VolumeIds=[nano["root"]])
    waiter("volume_available").wait(VolumeIds=[nano["data"]])
    waiter("network_interface_available").wait(NetworkInterfaceIds=[nano["interface"]])
    assert [it["VolumeId"] for it in ec2.describe_volumes()["Volumes"]] == [nano["data"]]
    (nic,) = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert nic["NetworkInterfaceId"] == nano["interface"] and "Association" not in nic, nic
    with refused("InvalidInstanceID.NotFound"):
        ec2.terminate_instances(InstanceIds=["i-00000000000000000"])
    ec2.delete_placement_group(GroupName="apart")
    assert ec2.describe_placement_groups()["PlacementGroups"] == []
    ec2.delete_launch_template(LaunchTemplateName="nano")
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []


@told("tags are put on, listed by page, found, and taken off")
def _():
    (key,) = ec2.describe_key_pairs()["KeyPairs"]
    ec2.create_tags(Resources=[key["KeyPairId"]], Tags=[{"Key": f"tag{n:02}", "Value": str(n)} for n in range(12)])
    mine = [{"Name": "resource-id", "Values": [key["KeyPairId"]]}]
    assert page_sizes("describe_tags", "Tags", 5, Filters=mine) == [5, 5, 3]
    (found,) = ec2.describe_tags(Filters=[*mine, {"Name": "key", "Values": ["team"]}])["Tags"]
    assert (found["Value"], found["ResourceType"]) == ("a", "key-pair"), found
    ec2.delete_tags(Resources=[key["KeyPairId"]], Tags=[{"Key": "team", "Value": "b"}, {"Key": "tag00"}])
    left = [it["Key"] for it in ec2.describe_tags(Filters=mine)["Tags"]]
    assert len(left) == 12 and "team" in left and "tag00" not in left, left
    ec2.delete_tags(Resources=[key["KeyPairId"]])
    assert ec2.describe_tags(Filters=mine)["Tags"] == []
    with refused("InvalidInstanceID.NotFound"):
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
        ec2.create_transit_gateway()
    with refused("UnsupportedOperation"):
        iam.list_ssh_public_keys(UserName="ada")
    with refused("UnsupportedOperationException"):
        ssm.put_parameter(Name="/mine", Value="a", Type="String")
    with refused("UnsupportedOperation"):
        quotas.request_service_quota_increase(ServiceCode="vpc", QuotaCode="L-F678F1CE", DesiredValue=6)


def tagged(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def described(instance):
    return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]


def attribute_of(instance, name, member=None):
    described = ec2.describe_instance_attribute(InstanceId=instance, Attribute=name[0].lower() + name[1:])
    return described[member or name]


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


print(json.dumps({"tests": [outcome(*it) for it in tests], "offered": offered, "used": sorted(used), "operations": sorted(operations)}))
