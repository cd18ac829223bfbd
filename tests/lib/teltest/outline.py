"""Normalised call trees, for golden comparison: who called whom, how often, without ids and times.

    main > (parse > token x3, run !longjmp, work [thread] x2)

As lines (text()) the same tree is

    main
      parse
        token x3
      run !longjmp
      work [thread] x2

Children stand in the order of their calls; equal neighbours are folded into one with "x count". A
span that did not return normally is marked by how it ended, one with an error by the error's type.
What another thread or process was given comes last, marked and sorted, for its order varies.

For trees that a person would read: recursion a thousand deep has no outline worth comparing
(TreeChecker.deepest tells the depth).
"""

from teltest.tree import ENDS, STARTS


class Node:
    __slots__ = ("name", "parent", "image", "thread", "children", "mark")

    def __init__(self, name, parent, image, thread):
        self.name = name
        self.parent = parent
        self.image = image
        self.thread = thread
        self.children = []
        self.mark = ""


class Outline:
    """feed() it every event; a parent may come after its children of other threads."""

    def __init__(self):
        self._nodes = {}

    def feed(self, event):
        span = event["span_id"]
        event_type = event["event_type"]
        if event_type in STARTS:
            process = event["process"]
            image = (process["pid"], process.get("executable"), process.get("command_line"))
            self._nodes[span] = Node(event.get("function_name") or event["event"]["name"],
                                     event["parent_span_id"], image,
                                     event["attributes"]["thread_id"])
        elif event_type in ENDS and span in self._nodes:
            how = event["attributes"].get("telinject.exit")
            error = event.get("error", {}).get("type")
            self._nodes[span].mark = "".join(f" !{what}" for what in (how, error) if what)

    def roots(self):
        """Links the nodes; returns those without a parent in the trace, folded: [(count, tree)].

        A tree is (label, children), children again [(count, tree)].
        """
        for node in self._nodes.values():
            node.children = []
        roots = []
        for node in self._nodes.values():
            parent = self._nodes.get(node.parent)
            (roots if parent is None else parent.children).append(node)
        first = roots[0] if roots else None
        own = [node for node in roots if node.thread == first.thread and node.image == first.image]
        others = [node for node in roots
                  if node.thread != first.thread or node.image != first.image]
        trees = self._trees(own + others)
        return _fold(trees[:len(own)]) + _fold(sorted(trees[len(own):], key=_key))

    def _trees(self, tops):
        """The finished trees of `tops`, built bottom up."""
        order, pending = [], list(tops)
        while pending:
            node = pending.pop()
            order.append(node)
            pending.extend(node.children)
        done = {}
        for node in reversed(order):
            own, others = [], []
            for child in node.children:
                label, below = done.pop(id(child))
                if child.image != node.image:
                    others.append((f"{label} [process]", below))
                elif child.thread != node.thread:
                    others.append((f"{label} [thread]", below))
                else:
                    own.append((label, below))
            done[id(node)] = (node.name + node.mark,
                              tuple(_fold(own) + _fold(sorted(others, key=_key))))
        return [done[id(node)] for node in tops]

    def text(self):
        """Indented lines, one string."""
        lines = []
        pending = [(0, count, tree) for count, tree in reversed(self.roots())]
        while pending:
            depth, count, (label, children) = pending.pop()
            lines.append("  " * depth + label + (f" x{count}" if count > 1 else ""))
            pending.extend((depth + 1, n, child) for n, child in reversed(children))
        return "\n".join(lines)

    def lines(self):
        """One line a root: "main > (f > g x3, h)"."""
        return [_line(count, tree) for count, tree in self.roots()]


def _fold(trees):
    folded = []
    for tree in trees:
        if folded and folded[-1][1] == tree:
            folded[-1] = (folded[-1][0] + 1, tree)
        else:
            folded.append((1, tree))
    return folded


def _key(tree):
    return tree[0], _line(1, tree)


def _line(count, tree):
    label, children = tree
    text = label
    if len(children) == 1:
        text += " > " + _line(*children[0])
    elif children:
        text += " > (" + ", ".join(_line(*child) for child in children) + ")"
    if count > 1:
        text = f"({text}) x{count}" if children else f"{text} x{count}"
    return text


def outline(events):
    """The lines() of a finished stream of events."""
    result = Outline()
    for event in events:
        result.feed(event)
    return result.lines()
