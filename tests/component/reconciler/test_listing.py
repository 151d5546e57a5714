"""Which node has which volume, as rdsctl asks for it."""

from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from tests.component.reconciler.rig import HOST, Replica, World, volume
from tests.fakes.apiserver import ATTACHMENTS
from tests.waiting import eventually


async def listed(
    replica: Replica, *, volume_id: str = "", node: str = ""
) -> api.ListAttachmentsResponse:
    return await replica.stub.list_attachments(
        api.ListAttachmentsRequest(volume_id=volume_id, node=node)
    )


def pairs(answer: api.ListAttachmentsResponse) -> list[tuple[str, str]]:
    return [(row.volume_id, row.node) for row in answer.attachments]


async def test_an_attachment_is_shown_as_cluster_controller_and_node_have_it(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    await world.node("a", in_use=[name])
    async with world.replica() as replica:
        answer = await listed(replica)

    (row,) = answer.attachments
    assert (row.volume_id, row.node) == (name, "a")
    assert row.volume_attachment is not None
    assert row.volume_attachment.attached
    assert row.at_controller is not None
    assert row.at_controller.state is admin.AttachmentState.ATTACHED
    assert row.at_controller.attachment_uid == row.volume_attachment.uid
    assert row.node_state is not None
    assert (row.node_state.ready, row.node_state.reports_volume) == (True, True)
    assert row.finding_ids == []
    assert answer.as_of is not None
    assert answer.unknown == []


async def test_what_is_wrong_with_an_attachment_is_named_with_it(world: World) -> None:
    await world.attached_volumes("a", 1)
    (lost,) = await world.attached_volumes("b", 2)
    async with world.replica(node_gone=3600.0) as replica:
        await world.delete_node("b")
        await eventually(lambda: has_findings(replica))
        (finding,) = await replica.findings()
        answer = await listed(replica)

    rows = {row.node: row for row in answer.attachments}
    assert rows["a"].finding_ids == []
    assert rows["b"].volume_id == lost
    assert rows["b"].finding_ids == [finding.id]
    assert rows["b"].node_state is not None
    assert not rows["b"].node_state.exists


async def has_findings(replica: Replica) -> bool:
    return bool(await replica.findings())


async def test_a_host_that_is_let_in_without_an_attachment_is_listed_as_one(world: World) -> None:
    world.controller.volumes.append(volume(1))
    await world.persist(volume(1))
    world.controller.fenced[volume(1)] = {HOST.format("c")}
    async with world.replica(fencing_grace=3600.0) as replica:
        await replica.run_pass()
        (row,) = (await listed(replica)).attachments

    assert (row.volume_id, row.node) == (volume(1), "c")
    assert row.volume_attachment is None
    assert row.at_controller is None
    assert len(row.finding_ids) == 1


async def test_attachments_come_in_pages_which_have_each_of_them_once(world: World) -> None:
    names = await world.attached_volumes("a", *range(7))
    async with world.replica() as replica:
        pages: list[api.ListAttachmentsResponse] = []
        token = ""
        while not pages or token:
            request = api.ListAttachmentsRequest(page_size=3, page_token=token)
            pages.append(await replica.stub.list_attachments(request))
            token = pages[-1].next_page_token

    assert [len(page.attachments) for page in pages] == [3, 3, 1]
    assert [pair for page in pages for pair in pairs(page)] == [(name, "a") for name in names]
    assert {page.total for page in pages} == {7}


async def test_later_pages_are_of_the_moment_of_the_first_one(world: World) -> None:
    names = await world.attached_volumes("a", *range(4))
    async with world.replica() as replica:
        first = await replica.stub.list_attachments(api.ListAttachmentsRequest(page_size=2))
        for name in list(world.api.objects[ATTACHMENTS]):
            await world.api.remove(ATTACHMENTS, name)
        request = api.ListAttachmentsRequest(page_size=2, page_token=first.next_page_token)
        second = await replica.stub.list_attachments(request)

    assert pairs(second) == [(name, "a") for name in names[2:]]
    assert second.as_of == first.as_of


async def test_attachments_are_chosen_by_volume_and_by_node(world: World) -> None:
    one, two = await world.attached_volumes("a", 1, 2)
    (three,) = await world.attached_volumes("b", 3)
    async with world.replica() as replica:
        of_node = await listed(replica, node="b")
        of_volume = await listed(replica, volume_id=two)
        of_both = await listed(replica, volume_id=one, node="b")

    assert pairs(of_node) == [(three, "b")]
    assert pairs(of_volume) == [(two, "a")]
    assert of_both.total == 0


async def test_without_the_controller_the_cluster_is_listed_and_the_lack_is_named(
    world: World,
) -> None:
    (name,) = await world.attached_volumes("a", 1)
    async with world.replica() as replica:
        world.controller.away = True
        answer = await listed(replica)

    assert pairs(answer) == [(name, "a")]
    assert answer.attachments[0].at_controller is None
    assert answer.as_of is None
    (why,) = answer.unknown
    assert why.startswith("what the controller knows of attachments: ")
    assert why.endswith("the controller is away")
