/* test_list.c - the intrusive list. Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    char letter;
    struct mm_list node;
};

static void check(struct mm_list *list, const char *letters)
{
    size_t count = 0;
    MM_LIST_EACH(node, list)
    {
        struct item *item = MM_LIST_OBJECT(node, struct item, node);
        assert_int_equal(item->letter, letters[count]);
        assert_ptr_equal(node->next->previous, node);
        count++;
    }
    assert_int_equal(letters[count], '\0');
}

static void test_order(void **state)
{
    struct mm_list list;
    struct item a = {.letter = 'a'};
    struct item b = {.letter = 'b'};
    struct item c = {.letter = 'c'};
    (void)state;
    mm_list_init(&list);
    assert_true(mm_list_is_empty(&list));
    assert_null(mm_list_first(&list));
    assert_null(mm_list_take_first(&list));
    check(&list, "");
    mm_list_append(&list, &b.node);
    mm_list_append(&list, &c.node);
    mm_list_prepend(&list, &a.node);
    check(&list, "abc");
    assert_false(mm_list_is_empty(&list));
    assert_ptr_equal(mm_list_first(&list), &a.node);
    mm_list_remove(&b.node);
    check(&list, "ac");
    mm_list_remove(&b.node); /* harmless */
    check(&list, "ac");
    assert_ptr_equal(mm_list_take_first(&list), &a.node);
    assert_true(mm_list_is_empty(&a.node));
    mm_list_append(&list, &a.node);
    check(&list, "ca");
}

static void test_remove_while_visiting(void **state)
{
    struct mm_list list;
    struct item items[6];
    (void)state;
    mm_list_init(&list);
    for (int i = 0; i < 6; i++) {
        items[i].letter = (char)('a' + i);
        mm_list_append(&list, &items[i].node);
    }
    MM_LIST_EACH(node, &list)
    {
        struct item *item = MM_LIST_OBJECT(node, struct item, node);
        if (item->letter % 2 == 0) {
            mm_list_remove(node);
            item->letter = '?';
        }
    }
    check(&list, "ace");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_remove_while_visiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
