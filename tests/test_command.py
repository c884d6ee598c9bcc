"""Commands are safe by the way they are made."""

import pytest

from istiodoctor.command import (
    Command,
    Value,
    acting_as,
    annotated_hosts,
    change,
    cmctl,
    code,
    container,
    dig,
    from_file,
    host_after,
    istioctl,
    istiodoctor,
    kubectl,
    labels,
    name_after_options,
    name_of,
    piped,
    proxy,
    selecting,
    within,
)
from istiodoctor.fix import Fix, Patch, PatchType
from istiodoctor.model.ref import Ref
from istiodoctor.renderers.commands import blocks
from tests.diagnosis.rules import finding, gateway, judged, rule
from tests.support.hostile import IMPOSSIBLE, ODD

POD = Ref("", "Pod", "shop", "web-1")
SECRET = Ref("", "Secret", "shop", "web")
NO_SECRET = Ref("", "Secret", "shop", "--all")
WORKLOAD = Ref("apps", "Deployment", "shop", "web")
ACCOUNT = Ref("", "ServiceAccount", "shop", "web")


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (kubectl("delete", SECRET), "kubectl delete secret/web -n shop"),
        (
            kubectl("get", Ref("cert-manager.io", "ClusterIssuer", "", "a"), "-o", "yaml"),
            "kubectl get clusterissuer.cert-manager.io/a -o yaml",
        ),
        (kubectl("delete", SECRET, POD), "kubectl delete secret/web -n shop pod/web-1"),
        (kubectl("get", "pods", within("shop")), "kubectl get pods -n shop"),
        (
            kubectl("create", "secret", "generic", name_of(SECRET)),
            "kubectl create secret generic web -n shop",
        ),
        (kubectl("logs", POD, container("app")), "kubectl logs pod/web-1 -n shop -c app"),
        (
            kubectl("get", "pods", selecting({"b/c": "", "a": "1"})),
            "kubectl get pods -l a=1,b/c=",
        ),
        (kubectl("get", "pods", selecting({})), "kubectl get pods"),
        (
            kubectl("label", Ref("", "Namespace", "", "shop"), labels({"a": "b"})),
            "kubectl label namespace/shop -- a=b",
        ),
        (kubectl("annotate", POD, annotated_hosts("k", ["a.b", "*.c"])),
         "kubectl annotate pod/web-1 -n shop -- k=a.b,*.c"),
        (kubectl("patch", SECRET, change("[]")), "kubectl patch secret/web -n shop -p []"),
        (kubectl(acting_as(ACCOUNT)), "kubectl --as=system:serviceaccount:shop:web"),
        (kubectl(from_file("a", "privkey.pem")), "kubectl --from-file=a=privkey.pem"),
        (
            istioctl("proxy-config", "secret", proxy(WORKLOAD)),
            "istioctl proxy-config secret deployment.apps/web.shop",
        ),
        (istioctl(host_after("--fqdn", "a.b")), "istioctl --fqdn=a.b"),
        (cmctl("renew", name_after_options(SECRET)), "cmctl renew -n shop -- web"),
        (dig("+short", host_after("-q", "mx")), "dig +short -q mx"),
        (istiodoctor("explain", code("CRED001")), "istiodoctor explain CRED001"),
        (
            piped(kubectl("get", SECRET), kubectl("apply", "-f", "-")),
            "sh -c kubectl get secret/web -n shop | kubectl apply -f -",
        ),
    ],
)  # fmt: skip
def test_what_is_read_stands_where_no_program_reads_options(made: Command, line: str):
    assert (" ".join(made), made.withheld) == (line, "")


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_no_word_is_made_of_what_nothing_can_be_called(name: str):
    ref = Ref("", "Secret", "shop", name)
    made = [
        kubectl("delete", ref),
        kubectl("delete", SECRET._replace(namespace=name or "-")),
        kubectl("get", SECRET._replace(kind=f"-{name}")),
        kubectl("get", SECRET._replace(group=name or "-")),
        *map(kubectl, (name_of(ref), proxy(ref), name_after_options(ref), acting_as(ref))),
        *map(kubectl, (within(name), container(name), host_after("--fqdn", f"-{name}"))),
        kubectl(labels({f"-{name}": "a"})),
        kubectl(selecting({"a": f"-{name}"})),
        kubectl(annotated_hosts("k", ["a.b", f"{name} "])),
        kubectl(from_file(f"{name}=", "privkey.pem")),
        kubectl(change(f"-{name}")),
        istiodoctor("explain", code(f"-{name}")),
        piped(kubectl("delete", ref), kubectl("apply", "-f", "-")),
        piped(kubectl("apply", "-f", "-"), kubectl("delete", ref)),
    ]

    assert [words for words in made if words or not words.withheld] == []


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_that_an_object_can_have_is_a_name_like_any_other(name: str):
    assert kubectl("delete", SECRET._replace(name=name))[2] == f"secret/{name}"


def test_a_role_may_be_called_what_would_be_an_option_alone():
    role = Ref("rbac.authorization.k8s.io", "Role", "shop", "--all")

    assert kubectl("delete", role)[2] == "role.rbac.authorization.k8s.io/--all"
    assert kubectl("create", name_of(role)).withheld == "“--all” is no name"


def test_one_command_is_not_for_objects_of_two_namespaces():
    assert kubectl("delete", SECRET, POD._replace(namespace="b")).withheld


def test_a_long_name_is_told_in_part():
    said = kubectl("get", SECRET._replace(name="x" * 10_000)).withheld

    assert said == f"no Secret can be named “{'x' * 80}…”"


def test_half_of_a_fix_is_not_printed():
    fix = Fix(
        title="Make it again",
        commands=(kubectl("delete", SECRET), kubectl("create", name_of(NO_SECRET))),
        verify=kubectl("get", SECRET),
        undo=kubectl("delete", SECRET),
        why="It is wrong.",
    )

    assert (fix.commands, fix.verify, fix.undo, fix.why) == (
        (), (), (), "It is wrong. No command is printed: no Secret can be named “--all”.",
    )  # fmt: skip


def test_a_patch_of_what_cannot_be_stays_data_and_is_no_command():
    patches = tuple(
        Patch(ref=ref, type=PatchType.MERGE, body={"a": 1}) for ref in (SECRET, NO_SECRET)
    )
    fix = Fix(title="Change both", patches=patches)

    assert (fix.patches, blocks(fix)) == (patches, ())
    assert fix.why == "No command is printed: no Secret can be named “--all”."


def test_words_that_a_check_puts_together_itself_are_taken():
    fix = Fix(title="Do it", commands=(("helm", "upgrade", "web"),), undo=("Take it back.",))

    assert (offered(fix).commands, offered(fix).undo) == (fix.commands, fix.undo)


@pytest.mark.parametrize(
    "fix",
    [
        Fix(title="Do it", commands=(("kubectl", "delete", "gateway", "--all"),)),
        Fix(title="Do it", commands=(("true",),), verify=("kubectl", "get", "gateway", "--all")),
        Fix(title="Do it", commands=(("true",),), undo=("kubectl", "delete", "gw", "--all")),
        Fix(title="Do it", commands=(("kubectl", "get", "gateway", "web", "-n", "-A"),)),
        Fix(title="Do it", commands=(("dig", "-x.example.com"),)),
    ],
)
def test_a_name_that_a_strangers_check_lets_be_an_option_is_no_command(fix: Fix):
    mended = offered(fix)

    assert (mended.commands, mended.verify, mended.undo) == ((), (), ())
    assert "is a name, and stands where options are read" in mended.why


def offered(fix: Fix) -> Fix:
    """Return what a report has of a fix that a check offers for a Gateway with hostile names."""
    subject = gateway("--all", "-A")
    made = finding(subject, fixes=(fix,), hosts=("-x.example.com",))
    (problem,) = judged(rule("TST001", made)).problems
    return problem.cause.fixes[0].fix


@pytest.mark.parametrize(
    "fix",
    [
        Fix(title="Do it", commands=(["kubectl", "get"],)),  # type: ignore[arg-type]
        Fix(title="Do it", commands=(("kubectl", 1),)),  # type: ignore[arg-type]
        "kubectl get pods",
    ],
)
def test_what_is_no_command_is_the_bug_of_its_check(fix: Fix):
    found = judged(rule("TST001", finding(fixes=(fix,))))

    assert (found.problems, found.checks[0].outcome) == ((), "errored")


def test_a_value_keeps_its_fault_to_itself_until_a_command_is_made():
    assert within("--all") == Value(("-n", "--all"), "no namespace can be named “--all”")
